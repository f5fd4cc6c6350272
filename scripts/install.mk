# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make install DESTDIR=`: where every file goes.

SBIN := $(DESTDIR)$(PREFIX)/sbin
SHARE := $(DESTDIR)$(PREFIX)/share

install: all ## programs, BPF object, unit, man pages, completion (DESTDIR=, PREFIX=)
	install -d $(SBIN) $(DESTDIR)$(PREFIX)/lib/subzero $(DESTDIR)/lib/systemd/system \
	  $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8 \
	  $(SHARE)/bash-completion/completions $(SHARE)/doc/subzero
	install -d -m 0750 $(DESTDIR)/etc/subzero
	install -m 0755 $(B)/subzerod $(B)/subzeroctl $(SBIN)/
	install -m 0644 $(B)/subzero.bpf.o $(DESTDIR)$(PREFIX)/lib/subzero/
	sed 's|/usr/sbin/|$(PREFIX)/sbin/|' docs/systemd/subzero.service \
	  > $(DESTDIR)/lib/systemd/system/subzero.service
	chmod 0644 $(DESTDIR)/lib/systemd/system/subzero.service
	install -m 0644 docs/man/*.5 $(SHARE)/man/man5/
	install -m 0644 docs/man/*.8 $(SHARE)/man/man8/
	install -m 0644 tools/completion/subzeroctl $(SHARE)/bash-completion/completions/
	install -m 0644 docs/examples/subzero.yaml $(SHARE)/doc/subzero/
	test -e $(DESTDIR)/etc/subzero/subzero.yaml || \
	  install -m 0640 docs/examples/subzero.yaml $(DESTDIR)/etc/subzero/subzero.yaml
