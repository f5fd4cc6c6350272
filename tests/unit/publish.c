/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the gateway says about an address where a packet names no port. Includes the source of the
 * publisher to write the services of a configuration alone, into the kernel's real maps.
 */
#include "harness.h"

#include "gateway/publish.c"

#include "kern_ground.h"

static const char head[] = "interfaces: [v0]\n"
			   "issuers: [{issuer: i, jwks: k, audiences: a}]\n"
			   "services:\n";

/* The flags of the marker of 192.0.2.1 once the services are written. */
static u32 marker(const char *services)
{
	static const struct sz_service_key key = {
		.addr.b = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}};
	static struct sz_gateway g;
	struct sz_service v = {.flags = ~0u};
	struct sz_conf *c;
	char yaml[2048];

	snprintf(yaml, sizeof(yaml), "%s%s", head, services);
	c = sz_conf_parse(yaml, strlen(yaml), "t.yaml", &e);
	ASSERT_TRUE(c != NULL);
	if (!g.kern) {
		begin();
		g.kern = load();
		g.cfg = sz_kern_config(g.kern);
	}
	g.conf = c;
	EXPECT_EQ(put_services(&g, c, &e), 0);
	EXPECT_EQ(sz_map_get(g.kern, SZ_MAP_SERVICES, &key, &v), 0);
	sz_conf_free(c);
	return v.flags;
}

#define SERVICE(name, address, mode)                                                               \
	"- {name: " name ", address: \"" address "\", mode: " mode                                 \
	", routes: [{path: /, public: true}]}\n"

TEST(address_is_watched_only_where_all_its_services_are)
{
	EXPECT_EQ(marker(SERVICE("a", "192.0.2.1:80", "monitor")), SZ_SVC_MONITOR);
	EXPECT_EQ(marker(SERVICE("a", "192.0.2.1:80", "enforce")), 0);
	EXPECT_EQ(marker(SERVICE("a", "192.0.2.1:80", "monitor")
				 SERVICE("b", "192.0.2.1:81", "enforce")),
		  0);
	EXPECT_EQ(marker(SERVICE("a", "192.0.2.1:80", "enforce")
				 SERVICE("b", "192.0.2.1:81", "monitor")),
		  0);
	EXPECT_EQ(marker(SERVICE("a", "192.0.2.1:80", "monitor")
				 SERVICE("b", "192.0.2.2:80", "enforce")),
		  SZ_SVC_MONITOR);
}
