"""An agent with a tool: the model calls it, gets the result, and answers.

The server must be able to call tools: vLLM with --enable-auto-tool-choice and --tool-call-parser.
chatload run examples/agent.py --headless --users 20 --spawn-rate 2 --turns 8 --host http://gpu:8000
"""

import json

from locust import task

from chatload import ChatUser

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "The weather in a city today", "parameters": CITY}
TOOLS = [{"type": "function", "function": WEATHER}]
MOST_STEPS = 3


class Agent(ChatUser):
    """Answers a question with the help of a tool."""

    @task
    def question(self) -> None:
        """Ask, and give the results of tools until there is an answer; each step is a turn."""
        self.chat.reset()
        reply = self.chat.ask("Do I need an umbrella in Vienna today?", name="question", tools=TOOLS)
        if reply.ok and not reply.tool_calls:
            reply.failure("no tool call")
        for _ in range(MOST_STEPS):
            if not (reply.ok and reply.tool_calls):
                return
            results = [
                {"role": "tool", "tool_call_id": call.id, "content": weather(call.arguments)}
                for call in reply.tool_calls
            ]
            reply = self.chat.ask(results, name="result", tools=TOOLS)


def weather(arguments: str) -> str:
    """The tool: what it takes is JSON that the model wrote."""
    try:
        return f"Rain all day in {json.loads(arguments)['city']}."
    except (ValueError, KeyError, TypeError):
        return "Name a city."
