"""Stand-ins for real LLM servers: their bytes, their scheduling, their faults, and a log of what was sent.

It is a process of its own and shares no code with chatload: `python -m simulator --speak vllm,tgi`.
"""
