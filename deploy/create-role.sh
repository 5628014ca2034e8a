#!/bin/bash
# Makes Coffer's role and its database. The postgres image runs this once, when its volume is new.
# The role owns its database and is no superuser.
set -eu

# psql quotes the password; on the command line it would be seen by others.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set password `printf %s "$COFFER_PASSWORD"`
create role coffer login password :'password';
create database coffer owner coffer;
\connect coffer
-- Nobody else has business here (PostgreSQL 15 and newer have it so for the schema).
revoke all on database coffer from public;
revoke create on schema public from public;
-- Before PostgreSQL 15 it would be the superuser's, and nobody else could make a table in it.
alter schema public owner to coffer;
SQL
