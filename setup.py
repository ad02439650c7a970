"""What pyproject.toml cannot say: locustfiles/ and scenarios/ are installed within the package chatload."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["chatload*", "simulator*", "plots*"]),
        "chatload.starter",
        "chatload.locustfiles",
        "chatload.scenarios",
        "chatload.scenarios.prompts",
    ],
    package_dir={
        "chatload.locustfiles": "locustfiles",
        "chatload.scenarios": "scenarios",
        "chatload.scenarios.prompts": "scenarios/prompts",
    },
    package_data={
        "chatload": ["py.typed"],
        "chatload.starter": ["*"],
        "chatload.scenarios": ["*.toml"],
        "chatload.scenarios.prompts": ["*.jsonl"],
        "chatload.live": ["assets/*"],
        "chatload.render": ["templates/*"],
        "simulator.engine": ["*.toml"],
    },
)
