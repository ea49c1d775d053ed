#!/bin/sh
# Makes what compose.yaml keeps secret, at the first start, in a volume that nothing else is in.
# What is there already stays, so it may run at every start.
# SERVER and OBJECTS are the user and group ids of those that read it, and OBJECTS_DATA is where objects are kept.
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
objects=$(kept objects)
mkdir -p server objects-server

printf 'db:5432:*:chachaml:%s\n' "$database" | write "$SERVER" server/pgpass
printf '[default]\naws_access_key_id = chachaml\naws_secret_access_key = %s\n' "$objects" \
    | write "$SERVER" server/aws
printf '{"identities":[{"name":"chachaml","credentials":[{"accessKey":"chachaml","secretKey":"%s"}],' "$objects" \
    > objects-server/s3.json.part
printf '"actions":["Admin","Read","Write","List","Tagging"]}]}\n' >> objects-server/s3.json.part
write "$OBJECTS" objects-server/s3.json < objects-server/s3.json.part
rm objects-server/s3.json.part

chmod 0711 .
chown "$SERVER" server
chown "$OBJECTS" objects-server "${OBJECTS_DATA:-/objects}"
