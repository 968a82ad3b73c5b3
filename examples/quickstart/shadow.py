"""Tries to read the host's password hashes: must fail."""
print(len(open("/etc/shadow").read()), "bytes of /etc/shadow")
