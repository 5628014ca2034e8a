#!/bin/sh
# Installs what is missing: for "run" PostgreSQL, for "test" also curl, Redis, HAProxy, Chromium, poppler's
# tools, faketime and schemathesis. Through apt-get where there is one; elsewhere it says what to install.
# schemathesis goes into a Python virtual environment beside the build.
set -eu

cd "$(dirname "$0")/.."

have() {
    command -v "$1" >/dev/null 2>&1
}

# Debian keeps PostgreSQL's programs out of PATH.
have_postgresql() {
    have postgres && have initdb && return
    folder=$(pg_config --bindir 2>/dev/null) || folder=
    for folder in "$folder" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
        /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin \
        /Applications/Postgres.app/Contents/Versions/*/bin; do
        [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] && return
    done
    return 1
}

have_chromium() {
    have chromium || have chromium-browser || have google-chrome
}

missing=
have_postgresql || missing="$missing postgresql"
case "${1:-}" in
run) ;;
test)
    have curl || missing="$missing curl"
    have redis-server || missing="$missing redis-server"
    have haproxy || missing="$missing haproxy"
    have_chromium || missing="$missing chromium"
    have chromedriver || missing="$missing chromium-driver"
    have pdftotext || missing="$missing poppler-utils"
    have faketime || missing="$missing faketime"
    python3 -c "import ensurepip, venv" 2>/dev/null || missing="$missing python3-venv"
    ;;
*)
    echo "usage: scripts/install-deps.sh run|test" >&2
    exit 2
    ;;
esac

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo "$@"
    else
        echo "Please install, as root: apt-get install$missing" >&2
        exit 1
    fi
}

# Coffer runs a server of its own, so Debian need not make and start one: told by a file that is
# there during the installation only.
settings=/etc/postgresql-common/createcluster.d
setting=$settings/coffer-no-main-cluster.conf
remove_setting() {
    as_root rm -f "$setting"
    as_root rmdir "$settings" 2>/dev/null || true
}

install_missing() {
    if ! have apt-get; then
        echo "Please install (the names are Debian's):$missing" >&2
        exit 1
    fi
    echo "Installing$missing" >&2
    as_root apt-get update -qq
    case "$missing" in
    *postgresql*)
        trap remove_setting EXIT
        trap 'exit 1' HUP INT TERM
        as_root mkdir -p "$settings"
        echo "create_main_cluster = false" | as_root tee "$setting" >/dev/null
        ;;
    esac
    # One word per package.
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing
}

# Made anew when it does not work here or is not what is wanted.
install_schemathesis() {
    wanted=tests/schemathesis/requirements.txt
    target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    folder=$target/schemathesis
    "$folder/bin/python" -c "import schemathesis" 2>/dev/null && cmp -s "$wanted" "$folder/requirements.txt" && return
    echo "Installing schemathesis in $folder" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$folder/requirements.txt"
}

[ -z "$missing" ] || install_missing
[ "$1" != test ] || install_schemathesis
