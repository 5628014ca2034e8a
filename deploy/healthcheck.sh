#!/bin/bash
# Asks the Coffer in this container how it is, without curl: exit code 0 where it answers 200.
# Usage: healthcheck [PATH]; the path is /health/live where none is given.
set -eu

path=${1:-/health/live}
exec 3<>"/dev/tcp/127.0.0.1/${PORT:-8080}"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
# Coffer gives its database three seconds.
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
