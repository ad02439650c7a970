"""JMeter test plans (JMX) into scenarios."""
