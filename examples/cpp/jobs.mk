# The example finds both slots of make -j2, and finds them again: the first run has returned them.
#     make -j2 -f examples/cpp/jobs.mk EXAMPLE=build/example/slots

EXAMPLE ?= build/example/slots

check: second-run
second-run: first-run
first-run second-run:
	@found=$$($(EXAMPLE)) && echo "$@: $$found" && test "$$found" = "2 slots at once"

.PHONY: check first-run second-run
