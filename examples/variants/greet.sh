#!/bin/sh
# Greets everybody in the list.
set -eu
if [ -n "${TRACE-}" ]; then set -x; fi
while read -r name; do
  echo "Hello, $name"
done < /app/names.txt
