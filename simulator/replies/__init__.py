"""The parameters of a request, its answer, and the bytes of the reply."""
