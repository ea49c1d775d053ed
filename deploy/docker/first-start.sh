#!/bin/sh
# Makes what compose.yaml keeps secret, at the first start, in a volume that nothing else is in.
# What is there already stays, so it may run at every start.
# SERVER is the server's user and group id.
set -eu
umask 077
cd "${SECRETS:-/secrets}"

word() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# Prints the word that a file keeps; it is made if it is missing, whole or not at all.
kept() {
    if [ ! -s "$1" ]; then
        word > "$1.new"
        mv "$1.new" "$1"
    fi
    cat "$1"
}

write() {
    cat > "$2.new"
    chown "$1" "$2.new"
    mv "$2.new" "$2"
}

database=$(kept database)
mkdir -p server

printf 'db:5432:*:chachaml:%s\n' "$database" | write "$SERVER" server/pgpass

chmod 0711 .
chown "$SERVER" server
