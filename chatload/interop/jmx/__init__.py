"""Converts JMeter test plans (JMX) to scenarios."""
