"""Makes scenarios of JMeter test plans (JMX)."""
