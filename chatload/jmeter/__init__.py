"""A JMeter test plan (JMX) read as a scenario of ours (docs/from-jmeter.md)."""
