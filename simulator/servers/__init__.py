"""One folder for each server family: streams, routes, errors, metrics."""
