"""How true this client is on this machine: the same client against a server that logs what it really did."""
