"""Run folders in the forms of other tools: JMeter's JTL, and schedules that others replay."""
