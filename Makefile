# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Subzero. `make help` lists what there is; V=1 shows the commands; everything lands in build/.

VERSION  := 0.1.0
B        := build
CLANG    ?= clang-19
CC       := gcc
PREFIX   ?= /usr
DESTDIR  ?=

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2))

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wwrite-strings -Wformat=2 -Wno-format-nonliteral -Wundef
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
            -D_FORTIFY_SOURCE=2 -fno-strict-aliasing -fno-delete-null-pointer-checks
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack
DEFS     := -D_GNU_SOURCE -DSZ_VERSION='"$(VERSION)"'
CPPFLAGS := $(DEFS) -Iinclude -Iuser -I$(B)
CFLAGS   ?= -O2 -g
ALLC     := -std=gnu17 $(CFLAGS) $(WARN) $(HARDEN)
LIBS     := -lbpf -luring -lcurl -lcrypto -lsodium -ljansson -lyaml -llmdb -lmaxminddb -lpthread -lm
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null || true)

HEADERS  := $(wildcard include/subzero/*.h)
ROOMS    := core codec config telemetry hash wheel kern net pool jose cel geo rebac policy audit \
            apikey fetch store revoke http dpop web forward trace idp api limits verify gateway \
            control metrics fga signals ctl
ROOM_C   := $(foreach r,$(ROOMS),$(wildcard user/$(r)/*.c))
ROOM_O   := $(ROOM_C:user/%.c=$(B)/user/%.o)
ROOM_H   := $(wildcard user/*/*.h)
PROGRAMS := $(B)/subzerod $(B)/subzeroctl

# The sanitizer build is the same tree under build/asan.
ASAN     := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ASAN_O   := $(ROOM_C:user/%.c=$(B)/asan/user/%.o)

# What threads share runs its tests under ThreadSanitizer, too, built under build/tsan.
TSAN     := -fsanitize=thread -fno-omit-frame-pointer
TSAN_ROOMS := core codec telemetry hash net pool jose cel rebac store
TSAN_O   := $(patsubst user/%.c,$(B)/tsan/user/%.o,\
              $(foreach r,$(TSAN_ROOMS),$(wildcard user/$(r)/*.c)))

UNIT     := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*.c))
BPFTEST  := $(patsubst tests/bpf/%.c,$(B)/tests/bpf/%,$(wildcard tests/bpf/*.c))
TSANTEST := $(patsubst tests/tsan/%.c,$(B)/tests/tsan/%,$(wildcard tests/tsan/*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/*.c))
ATTACK   := $(B)/tests/attack/campaign
TOOLS    := $(patsubst tools/%.c,$(B)/tools/%,$(wildcard tools/*.c))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help demo check check-kernels check-rules bench bench-flood bench-adaptive lint fuzz \
        coverage asan install clean tests tools format

all: $(PROGRAMS) $(B)/subzero.bpf.o ## the daemon, the CLI and the BPF object (default)

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 16

# ---- BPF: object, then the same bytes inside the programs --------------------------------------
BPFCC    := $(CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -std=gnu17 \
            -Iinclude -I/usr/include/$(MULTIARCH)
# A BPF object as an array of bytes; the argument is its name.
embed = (echo '/* generated from $< */'; echo 'static const unsigned char $(1)[]'; \
	  echo '__attribute__((aligned(8))) = {'; \
	  od -An -v -tx1 $< | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; \
	  echo '};') > $@

$(B)/subzero.bpf.o: bpf/subzero.bpf.c $(wildcard bpf/*.h) $(HEADERS)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFCC) -Ibpf -c $< -o $@

$(B)/bpf_object.h: $(B)/subzero.bpf.o
	$(call say,EMBED,$@)
	$(Q)$(call embed,sz_bpf_object)

$(B)/flood.bpf.o: tests/lib/flood_bpf.c tests/lib/flood.h
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFCC) -Itests/lib -c $< -o $@

$(B)/flood_object.h: $(B)/flood.bpf.o
	$(call say,EMBED,$@)
	$(Q)$(call embed,flood_object)

# ---- user space --------------------------------------------------------------------------------
$(B)/user/%.o: user/%.c $(HEADERS) $(ROOM_H)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) $(CPPFLAGS) -c $< -o $@
$(filter $(B)/user/kern/%,$(ROOM_O)) $(filter $(B)/asan/user/kern/%,$(ASAN_O)): $(B)/bpf_object.h

$(B)/libsubzero.a: $(ROOM_O)
	$(call say,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^

$(B)/%: $(B)/user/%.o $(B)/libsubzero.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDHARDEN) -o $@ $^ $(LIBS)

# ---- sanitizer build ---------------------------------------------------------------------------
$(B)/asan/user/%.o: user/%.c $(HEADERS) $(ROOM_H)
	$(call say,ASAN,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu17 -O1 -g $(WARN) $(ASAN) $(FUZZCOV) $(CPPFLAGS) -c $< -o $@
$(B)/asan/libsubzero.a: $(ASAN_O)
	$(Q)rm -f $@; ar rcs $@ $^
$(B)/asan/%: $(B)/asan/user/%.o $(B)/asan/libsubzero.a
	$(call say,ASANLD,$@)
	$(Q)$(CLANG) $(ASAN) -o $@ $^ $(LIBS)
asan: $(B)/asan/subzerod $(B)/asan/subzeroctl ## the programs with AddressSanitizer and UBSan

# ---- tests -------------------------------------------------------------------------------------
TESTH := $(wildcard tests/lib/*.h)
$(B)/tests/unit/%: tests/unit/%.c $(TESTH) $(B)/asan/libsubzero.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu17 -O1 -g -Wall -Wextra -Werror $(ASAN) $(CPPFLAGS) -Itests/lib \
	  -o $@ $< $(B)/asan/libsubzero.a $(LIBS) -lssl
$(B)/tsan/user/%.o: user/%.c $(HEADERS) $(ROOM_H)
	$(call say,TSAN,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu17 -O1 -g $(WARN) $(TSAN) $(CPPFLAGS) -c $< -o $@
$(B)/tests/tsan/%: tests/tsan/%.c tests/unit/%.c $(TESTH) $(TSAN_O)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu17 -O1 -g -Wall -Wextra -Werror $(TSAN) $(CPPFLAGS) -Itests/lib \
	  -o $@ $< $(TSAN_O) $(LIBS)
$(B)/tests/bpf/%: tests/bpf/%.c $(TESTH) $(B)/libsubzero.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O1 -g -Wall -Wextra -Werror $(CPPFLAGS) -Itests/lib \
	  -o $@ $< $(B)/libsubzero.a $(LIBS)
$(B)/tests/fuzz/%: tests/fuzz/%.c $(TESTH) $(B)/asan/libsubzero.a
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu17 -O1 -g -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
	  -fno-sanitize-recover=undefined $(CPPFLAGS) -Itests/lib \
	  -o $@ $< $(B)/asan/libsubzero.a $(LIBS)
$(ATTACK): $(wildcard tests/attack/*.c) $(wildcard tests/attack/*.h)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) $(DEFS) $(LDHARDEN) -o $@ $(filter %.c,$^) -lsodium
$(B)/tools/%: tools/%.c $(TESTH) $(B)/libsubzero.a
	$(call say,TOOL,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLC) $(CPPFLAGS) -Itests/lib $(LDHARDEN) -o $@ $< $(B)/libsubzero.a $(LIBS)
$(B)/tools/sz-flood: $(B)/flood_object.h
# A test of both machines is one source: tests/unit/X.c includes tests/bpf/X.c.
$(foreach t,$(filter $(BPFTEST:$(B)/tests/bpf/%=%),$(UNIT:$(B)/tests/unit/%=%)),$(eval \
  $(B)/tests/unit/$(t): tests/bpf/$(t).c))
$(B)/tests/fuzz/% $(B)/asan/%: FUZZCOV := -fsanitize=fuzzer-no-link

tools: $(TOOLS)
tests: $(UNIT) $(BPFTEST) $(TSANTEST) $(FUZZ) $(TOOLS) $(ATTACK)

check: all tests asan ## every test; TAP, then one line of totals
	@scripts/run-tests

check-kernels: all $(BPFTEST) $(ATTACK) ## load, BPF tests and named attacks on each kernel
	@scripts/check-kernels

check-rules: ## the mutation check: without any rule of the security argument a test fails
	@scripts/check-rules

fuzz: $(FUZZ) ## fuzz every parser for FUZZ_SECONDS each (default 60)
	@scripts/fuzz

coverage: $(B)/libsubzero.a ## branches of the packet core that tests and fuzz corpora take
	@scripts/coverage

demo: all tools ## the main job on real traffic in network namespaces
	@scripts/run-demo

bench: all tools ## requests/s and latency beside the unguarded service and HAProxy
	@scripts/bench

bench-flood: all tools ## what floods cost a good client, beside HAProxy and the bare service
	@scripts/bench-flood

bench-adaptive: all tools ## what unknown tokens wait when the verifier has twice its load
	@scripts/bench-adaptive

soak: all tools ## a million ordinary requests: the rate of false refusals
	@scripts/soak

lint: ## layers, style, shellcheck, clang-tidy
	@scripts/lint

format: ## clang-format over the tree
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

clean: ## remove build/
	$(Q)rm -rf $(B)

include scripts/install.mk
