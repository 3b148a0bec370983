@echo off
rem Instala Ventas sin Internet sin salir a la red, y la actualiza si ya estaba.
rem
rem Uso: instalar.cmd [DIRECTORIO]
setlocal
chcp 65001 >nul
cd /d "%~dp0"

set "DESTINO=%~1"
if "%DESTINO%"=="" set "DESTINO=%ProgramData%\offline-sales-programa"

set "PYTHON="
for %%v in (3.14 3.13 3.12 3.11) do (
    if not defined PYTHON py -%%v -c "import struct; assert struct.calcsize('P') == 8" >nul 2>&1 && set "PYTHON=py -%%v"
)
if not defined PYTHON (
    echo No se encontró Python 3.11 a 3.14 de 64 bits. Instálelo de
    echo python.org y ejecute otra vez instalar.cmd.
    exit /b 1
)

"%DESTINO%\Scripts\python.exe" -m pip --version >nul 2>&1
if errorlevel 1 %PYTHON% -m venv "%DESTINO%"
if errorlevel 1 (
    echo No se pudo crear %DESTINO%. Ejecute instalar.cmd como administrador.
    exit /b 1
)
"%DESTINO%\Scripts\python.exe" -m pip install --quiet ^
    --disable-pip-version-check --no-index --find-links ruedas --upgrade ^
    "trytond_offline_sales[branch]"
if errorlevel 1 (
    echo No se pudieron instalar los paquetes.
    exit /b 1
)

echo Instalado: "%DESTINO%\Scripts\offline-sales.exe"
"%DESTINO%\Scripts\offline-sales.exe" branch status 2>&1 | findstr /c:"branch init" >nul
if errorlevel 1 (
    echo Ya hay una sucursal. Deténgala y teclee:
    echo   "%DESTINO%\Scripts\offline-sales.exe" branch upgrade
) else (
    echo Ahora teclee:
    echo   "%DESTINO%\Scripts\offline-sales.exe" branch init
)
