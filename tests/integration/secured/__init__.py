"""Tests on a broker with TLS, logins and ACLs."""
