# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# Real servers side by side in the lab's server namespace, each on a port of its own, each telling
# what it understood: the proxies by what they forward to a recorder of judge.py, the others by
# themselves. Sourced by 46-http-servers.sh after netns.sh. A server that is not installed is left
# out and named in HTTP_MISSING.
#
#   http_servers     start them: HTTP_SERVERS gets "name:port" of each that runs

HTTP_SERVERS=
HTTP_MISSING=
HTTP_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The recorder of a proxy listens 1000 above the proxy's port.
http_nginx_conf() {
	cat <<END
user root;
worker_processes 1;
daemon off;
pid $LAB_DIR/h-nginx.pid;
error_log $LAB_DIR/h-nginx.err crit;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_timeout 60s;
	keepalive_requests 100000;
	large_client_header_buffers 8 32k;
	client_max_body_size 0;
	client_body_temp_path $LAB_DIR/h-body;
	proxy_temp_path $LAB_DIR/h-proxy;
	fastcgi_temp_path $LAB_DIR/h-fastcgi;
	uwsgi_temp_path $LAB_DIR/h-uwsgi;
	scgi_temp_path $LAB_DIR/h-scgi;
	proxy_http_version 1.1;
	proxy_ignore_client_abort on;
	proxy_set_header Connection "";
	proxy_set_header Host \$http_host;
	proxy_set_header X-Host \$host;
	proxy_set_header X-Forwarded-For \$remote_addr;
	server {
		listen 8081 backlog=1024;
		location / {
			proxy_pass http://127.0.0.1:9081;
		}
		location ~ ^/admin(/|\$) {
			proxy_set_header Connection "";
			proxy_set_header Host \$http_host;
			proxy_set_header X-Host \$host;
			proxy_set_header X-Forwarded-For \$remote_addr;
			proxy_set_header X-Area admin;
			proxy_pass http://127.0.0.1:9081;
		}
	}
}
END
}

http_apache_conf() {
	local m dir
	dir=$(dirname "$(dpkg -L apache2-bin | grep -m 1 '/mod_proxy_http\.so$')")
	for m in mpm_event authz_core proxy proxy_http headers; do
		echo "LoadModule ${m}_module $dir/mod_$m.so"
	done
	cat <<END
ServerRoot $LAB_DIR
DefaultRuntimeDir $LAB_DIR
PidFile $LAB_DIR/h-apache.pid
ErrorLog $LAB_DIR/h-apache.err
LogLevel emerg
User www-data
Group www-data
ServerName server.test
UseCanonicalName Off
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
ListenBacklog 1024
Timeout 60
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
LimitRequestLine 32768
LimitRequestFieldSize 32768
Listen 8082
Listen 8083
AllowEncodedSlashes NoDecode
RequestHeader set X-Host "expr=%{SERVER_NAME}"
<LocationMatch "^/admin(/|\$)">
RequestHeader set X-Area admin
</LocationMatch>
END
	for m in "8082 Strict" "8083 Unsafe"; do
		cat <<END
<VirtualHost *:${m% *}>
AllowEncodedSlashes NoDecode
HttpProtocolOptions ${m#* }
ProxyPreserveHost On
ProxyPass / http://127.0.0.1:$((${m% *} + 1000))/ nocanon disablereuse=On
</VirtualHost>
END
	done
}

http_haproxy_conf() {
	cat <<END
global
	maxconn 2000
	nbthread 1
	tune.bufsize 65536
defaults
	mode http
	timeout connect 20s
	timeout client 60s
	timeout server 60s
	timeout http-request 20s
	option forwardfor
	option http-server-close
	http-reuse never
frontend f
	bind 0.0.0.0:8084 backlog 1024
	http-request set-header X-Area admin if { path,url_dec -m reg ^/admin(/|\$) }
	default_backend b
backend b
	server s 127.0.0.1:9084
END
}

http_lighttpd_conf() {
	cat <<END
server.modules = ("mod_setenv", "mod_proxy")
server.document-root = "$LAB_DIR"
server.port = 8085
server.listen-backlog = 1024
server.errorlog = "$LAB_DIR/h-lighttpd.err"
server.max-keep-alive-requests = 60000
server.max-keep-alive-idle = 60
server.max-request-field-size = 32768
\$HTTP["url"] =~ "^/admin(/|\$)" {
	setenv.set-request-header = ("X-Area" => "admin")
}
proxy.server = ("" => (("host" => "127.0.0.1", "port" => 9085)))
END
}

# http_have PROGRAM NAME
http_have() {
	command -v "$1" >/dev/null && return
	HTTP_MISSING+=" $2"
	return 1
}

http_listens() {
	lab_server bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null
}

# http_run NAMES-AND-PORTS PROCESS COMMAND...
http_run() {
	local names=$1 process=$2 one
	shift 2
	lab_start "$process" "$@"
	for one in $names; do
		if ! wait_until 20 http_listens "${one#*:}"; then
			diag "${one%:*} does not listen: $(tail -n 5 "$LAB_DIR/$process.log")"
			return 1
		fi
		HTTP_SERVERS+=" $one"
	done
}

http_servers() {
	http_nginx_conf >"$LAB_DIR/h-nginx.conf"
	http_haproxy_conf >"$LAB_DIR/h-haproxy.conf"
	http_lighttpd_conf >"$LAB_DIR/h-lighttpd.conf"
	http_run nginx:8081 h-nginx nginx -p "$LAB_DIR" -e "$LAB_DIR/h-nginx.err" \
		-c "$LAB_DIR/h-nginx.conf" || return
	if http_have apache2 apache2-bin; then
		http_apache_conf >"$LAB_DIR/h-apache.conf"
		http_run "apache:8082 apache-unsafe:8083" h-apache \
			apache2 -f "$LAB_DIR/h-apache.conf" -DFOREGROUND || return
	fi
	if http_have haproxy haproxy; then
		http_run haproxy:8084 h-haproxy haproxy -db -f "$LAB_DIR/h-haproxy.conf" || return
	fi
	if http_have lighttpd lighttpd; then
		http_run lighttpd:8085 h-lighttpd \
			lighttpd -D -f "$LAB_DIR/h-lighttpd.conf" || return
	fi
	if http_have node nodejs; then
		http_run node:8086 h-node node "$HTTP_TESTS/echo.js" 8086 || return
	fi
	http_run python:8087 h-python python3 "$HTTP_TESTS/echo.py" 8087
}
