"""Simulates LLM servers: wire forms, scheduling, faults, and a log of what was sent and when.

It runs in a process of its own and shares no code with chatload: `python -m simulator --speak vllm,tgi`.
"""
