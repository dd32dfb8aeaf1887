# Godwit's build. `make help` lists the commands.
BUILD := build
CC ?= gcc
CFLAGS_WARN := -Wall -Wextra -Wshadow -Wundef -Wconversion -Wno-sign-conversion -Wmissing-prototypes \
               -Wstrict-prototypes -Werror

all: unit

-include tests/unit/module.mk
-include tests/fuzz/module.mk
-include tests/machine/module.mk
