"""Tries to get out: must fail."""
import socket

socket.create_connection(("192.0.2.1", 80), timeout=5)
print("reached the network")
