#!/bin/sh
# Instala Ventas sin Internet sin salir a la red, y la actualiza si ya estaba.
#
# Uso: sh instalar.sh [DIRECTORIO]
# El comando queda en el directorio que diga COMANDOS.
set -eu
cd "$(dirname "$0")"

falla() {
    echo "$1" >&2
    exit 1
}

if [ "$(id -u)" = 0 ]; then
    destino=${1:-/opt/offline-sales}
    comandos=${COMANDOS:-/usr/local/bin}
else
    destino=${1:-"$HOME/.local/share/offline-sales-programa"}
    comandos=${COMANDOS:-"$HOME/.local/bin"}
fi

python=
for candidato in python3.14 python3.13 python3.12 python3.11 python3; do
    if command -v "$candidato" >/dev/null 2>&1 && "$candidato" -c '
import sys
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; then
        python=$candidato
        break
    fi
done
[ -n "$python" ] || falla "No se encontró Python 3.11 a 3.14. \
Instálelo y ejecute otra vez sh instalar.sh."

(cd ruedas && sha256sum --quiet -c SHA256SUMS) || falla "El paquete está \
dañado. Cópielo de nuevo."

"$destino/bin/python" -m pip --version >/dev/null 2>&1 \
    || "$python" -m venv "$destino" || falla "No se pudo \
crear $destino. En Debian y Ubuntu instale antes python3-venv."
"$destino/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-index --find-links ruedas --upgrade 'trytond_offline_sales[branch]' \
    || falla "No se pudieron instalar los paquetes."

mkdir -p "$comandos"
ln -sf "$destino/bin/offline-sales" "$comandos/offline-sales"
echo "Instalado: $comandos/offline-sales"

# Un directorio recién creado aún no está entre los que busca la terminal
orden=offline-sales
[ "$(command -v offline-sales)" = "$comandos/offline-sales" ] \
    || orden=$comandos/offline-sales
if "$destino/bin/offline-sales" branch status 2>&1 | grep -q 'branch init'
then
    echo "Ahora teclee:"
    echo "  $orden branch init"
else
    echo "Ya hay una sucursal. Deténgala y teclee:"
    echo "  $orden branch upgrade"
fi
