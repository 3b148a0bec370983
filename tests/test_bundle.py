# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What is handed over: wheel, sdist, and the bundle for a shop without network

They are built and installed in a bare environment by their own installer.
"""
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from trytond.modules.offline_sales.tests.install import (  # isort: skip
    Technician, new_code)
from trytond.modules.offline_sales.tests.template import ROOT  # isort: skip

pytestmark = pytest.mark.xdist_group('init')

# What is for who works on the sources
DEVELOPMENT = {
    'Makefile', 'MANIFEST.in', 'README.rst', 'CHANGELOG', 'COPYRIGHT',
    'LICENSE', 'pyproject.toml', 'setup.py', 'bundle', 'demo', 'doc',
    'benchmarks'}


@pytest.fixture(scope='module')
def sources():
    "The names of the files of the repository"
    try:
        done = subprocess.run(
            ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
            cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository: what belongs to it is not known")
    return {
        name for name in done.stdout.splitlines()
        if (ROOT / name).exists() and not name.startswith('.')}


@pytest.fixture(scope='module')
def zipped(tmp_path_factory):
    "The bundle for this computer"
    if not (ROOT / 'bundle').is_dir() or sys.platform != 'linux':
        pytest.skip("the bundle is made from the sources, on Linux")
    spec = importlib.util.spec_from_file_location(
        'bundle', ROOT / 'bundle' / '__main__.py')
    bundle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bundle)
    try:
        file, = bundle.make(
            ['linux'], ['.'.join(map(str, sys.version_info[:2]))],
            tmp_path_factory.mktemp('bundle'))
    except subprocess.CalledProcessError:
        if os.environ.get('CI'):
            raise
        pytest.skip("no package registry can be reached")
    with zipfile.ZipFile(file) as content:
        content.extractall(file.parent)
    return file.with_suffix('')


def test_wheel_holds_everything(zipped, sources):
    wheel, = (zipped / 'ruedas').glob('trytond_offline_sales-*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = set()
    for name in sources:
        parts = Path(name).parts
        if parts[0] in DEVELOPMENT:
            continue
        if parts[:2] == ('offline_sales', 'cli'):
            expected.add('/'.join(['offline_sales_cli', *parts[2:]]))
        else:
            expected.add(f'trytond/modules/offline_sales/{name}')
    # Modules and data that only the tests of the sources use
    expected = {
        name for name in expected
        if not re.search(r'/tests/(modules|data)/', name)}
    held = {name for name in names if '.dist-info/' not in name}
    assert held == expected


def test_sdist_holds_everything(sources, tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'build', '--sdist', '-o', tmp_path, ROOT],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    file, = tmp_path.glob('*.tar.gz')
    with tarfile.open(file) as archive:
        names = {
            name.partition('/')[2] for name in archive.getnames()}
    assert sources - names == set()


def test_shop_installs_from_the_bundle(zipped, office, tmp_path):
    "without a registry, from nothing to a branch"
    environment = {
        'PATH': os.pathsep.join([
                str(Path(sys.executable).resolve().parent),
                '/usr/bin', '/bin']),
        'HOME': str(tmp_path),
        'COMANDOS': str(tmp_path / 'bin'),
        'PIP_NO_INDEX': '1',
        }
    done = subprocess.run(
        [zipped / 'instalar.sh', tmp_path / 'program'], env=environment,
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "branch init" in done.stdout
    technician = Technician(tmp_path / 'shop', language='es_MX.UTF-8')
    technician.command = tmp_path / 'bin' / 'offline-sales'
    code, said = technician.init(office.url, new_code(office, 'TIJ'))
    assert code == 0, said
    assert "La sucursal Tijuana Centro está instalada" in said
    assert technician.type('doctor')[0] == 6  # It does not run yet
    (zipped / 'ruedas' / 'SHA256SUMS').write_text('0' * 64 + '  x.whl\n')
    done = subprocess.run(
        [zipped / 'instalar.sh', tmp_path / 'other'], env=environment,
        capture_output=True, text=True)
    assert (done.returncode, "dañado" in done.stderr) == (1, True)
