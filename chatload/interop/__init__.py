"""Files of other tools: JMeter plans and results, request schedules."""
