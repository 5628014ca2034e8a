#!/bin/sh
# Writes LICENSES.md: every crate of Cargo.lock and every vendored file with its licence.
set -eu
cd "$(dirname "$0")/.."
{
    echo "# Licences"
    echo
    echo "Coffer itself is GPL-3.0-or-later ([LICENSE](LICENSE)). It is built with the crates below; made by"
    echo "\`scripts/list-licenses.sh\` from \`Cargo.lock\`."
    echo
    echo "## Vendored files"
    echo
    echo "| what | licence | where |"
    echo "| --- | --- | --- |"
    echo "| Inter variable font | OFL-1.1 | \`static/vendor/inter\` |"
    echo "| Inter, two cuts for documents | OFL-1.1 | \`src/documents/fonts\` |"
    echo "| Lucide icons (the ones used, as a sprite) | ISC, and MIT for those from Feather | \`static/vendor/lucide\` |"
    echo "| zxcvbn's list of common passwords (excerpt) | MIT | \`src/passwords\` |"
    echo "| Swagger UI 5.32.6, copyright 2020-2021 SmartBear Software Inc. (the page at /docs) | Apache-2.0 | in the crate \`utoipa-swagger-ui-vendored\` |"
    echo "| axe-core 4.14.1 (only in tests) | MPL-2.0 | \`tests/vendor/axe\` |"
    echo
    echo "## Crates"
    echo
    echo "| crate | version | licence |"
    echo "| --- | --- | --- |"
    cargo metadata --format-version 1 --locked --all-features |
        python3 -c '
import json, re, sys
for package in sorted(json.load(sys.stdin)["packages"], key=lambda p: (p["name"], p["version"])):
    if package["name"] != "coffer":
        licence = package["license"] or "see " + str(package["license_file"])
        licence = re.sub(r" */ *", " OR ", licence)
        print("| {} | {} | {} |".format(package["name"], package["version"], licence))
'
} > LICENSES.md
