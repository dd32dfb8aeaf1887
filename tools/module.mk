# Repository checks: layers, headers, text, and the kernel's code. `make check` is fast and needs no package.
.PHONY: check
check:
	@tools/check.sh $(BUILD)
