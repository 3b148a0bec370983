#!/bin/sh
# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.

# setup.sh DIR: install what the tests of the clients need into DIR: the desktop
# client in DIR/desktop, the web client in DIR/sao, what drives a browser in
# DIR/web. Debian 12; its packages are installed if this is root.
set -e
mkdir -p "$1"
cd "$1"
packages="xvfb xauth xdotool openbox chromium fonts-dejavu-core npm
    python3-venv python3-gi python3-gi-cairo python3-cairo
    python3-dateutil gir1.2-gtk-3.0 librsvg2-common adwaita-icon-theme"
missing=
for package in $packages; do
    if [ "$package" = npm ] && command -v npm > /dev/null; then continue; fi
    dpkg -s "$package" > /dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "Install first: apt-get install$missing" >&2
        exit 1
    fi
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qy \
        --no-install-recommends $missing
fi

# The desktop client, with Debian's GTK
test -x desktop/bin/tryton || {
    /usr/bin/python3 -m venv --system-site-packages desktop
    desktop/bin/pip install -q 'tryton >= 8.0, < 8.1'
}

# The web client: the package has its built files but wants its dependencies
# in a node_modules of its own
test -d sao/node_modules || {
    rm -rf sao
    npm pack --silent 'tryton-sao@8.0' > /dev/null
    mkdir sao
    tar xzf tryton-sao-8.0.*.tgz -C sao --strip-components=1
    touch sao/custom.js sao/custom.css
    (cd sao && npm install --silent --no-audit --no-fund --omit=dev \
        --legacy-peer-deps --ignore-scripts)
}

# The driver of Chromium
test -d web/lib || {
    python3 -m venv web
    web/bin/pip install -q playwright
}
