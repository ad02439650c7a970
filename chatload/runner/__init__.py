"""The Locust layer: user classes, the run controller, workers."""
