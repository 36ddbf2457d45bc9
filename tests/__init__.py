"""The tests of senderwatch: `unit` needs no broker, `integration` starts a real one."""
