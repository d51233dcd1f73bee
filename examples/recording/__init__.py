"""What ran when: logged by the tests and linters themselves, counted and drawn afterwards."""
