# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What is handed over: wheel, sdist, and the bundle for a shop without network

They are built and installed in a bare environment by their own installer.
"""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from trytond.pool import Pool

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
def bundle():
    "The program that makes bundles"
    if not (ROOT / 'bundle').is_dir() or sys.platform != 'linux':
        pytest.skip("the bundle is made from the sources, on Linux")
    spec = importlib.util.spec_from_file_location(
        'bundle', ROOT / 'bundle' / '__main__.py')
    bundle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bundle)
    return bundle


@pytest.fixture(scope='module')
def zipped(bundle, tmp_path_factory):
    "The bundle for this computer, beside it the sdist that it is made from"
    output = tmp_path_factory.mktemp('bundle')
    build_wheel = bundle.build_wheel

    def build(directory):
        wheel = build_wheel(directory)
        sdist, = directory.glob('*.tar.gz')
        shutil.copy(sdist, output)
        return wheel
    bundle.build_wheel = build
    try:
        file, = bundle.make(
            ['linux'], ['.'.join(map(str, sys.version_info[:2]))], output)
    except subprocess.CalledProcessError:
        if os.environ.get('CI'):
            raise
        pytest.skip("no package registry can be reached")
    with zipfile.ZipFile(file) as content:
        content.extractall(file.parent)
    return file.with_suffix('')


def make_wheel(directory, name, *requirements, tag='py3-none-any'):
    "A wheel that needs others"
    with zipfile.ZipFile(directory / f'{name}-1-{tag}.whl', 'w') as wheel:
        wheel.writestr(f'{name}-1.dist-info/METADATA', "\n".join([
                    "Metadata-Version: 2.1", f"Name: {name}", "Version: 1",
                    *(f"Requires-Dist: {r}" for r in requirements), '']))


@pytest.mark.parametrize('platform, python, lacking', [
        ('windows', '3.11', ['both', 'colorama']),
        ('windows', '3.13', ['both', 'colorama', 'compiled']),
        ('linux', '3.11', ['compiled', 'uvloop>=2']),
        ])
def test_bundle_lacks(bundle, tmp_path, platform, python, lacking):
    "what is needed on the shop's system, though not on this one"
    make_wheel(tmp_path, 'trytond_offline_sales',
        'bar; extra == "branch"', 'ruff; extra == "test"', 'compiled')
    make_wheel(tmp_path, 'bar',
        'colorama; platform_system == "Windows"',
        'uvloop>=2; sys_platform != "win32"',
        'both; os_name == "nt"')
    make_wheel(tmp_path, 'compiled', tag='cp311-cp311-win_amd64')
    # Of another version than is asked for
    make_wheel(tmp_path, 'uvloop', tag='cp311-abi3-manylinux_2_17_x86_64')
    assert bundle.missing(tmp_path, platform, python) == lacking


def test_bundle_is_complete(bundle, zipped):
    python = '.'.join(map(str, sys.version_info[:2]))
    assert bundle.missing(zipped / 'ruedas', 'linux', python) == []


def test_branch_form_offers_it(branch, configure):
    with branch.transaction():
        Branch = Pool().get('offline_sales.branch')
        assert Branch().get_installer('installer') is None
        configure('bundle_url', 'https://erp.example.com/bundle.zip')
        assert Branch().get_installer('installer') == (
            'https://erp.example.com/bundle.zip')
        view = Branch.fields_view_get(view_type='form')
    assert 'name="installer"' in view['arch']


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


def test_sdist_holds_everything(zipped, sources):
    file, = zipped.parent.glob('*.tar.gz')
    with tarfile.open(file) as archive:
        names = {
            name.partition('/')[2] for name in archive.getnames()}
    assert sources - names == set()


def read_transcript(values):
    "Return the lines of the session in the manual, with other values"
    text = (ROOT / 'doc' / 'es' / 'instalacion.rst').read_text()
    _, _, text = text.partition('$ offline-sales branch init')
    text, _, _ = text.partition('\n\nAnote')
    for there, here in values.items():
        assert there in text
        text = text.replace(there, here)
    return [line.removeprefix('   ') for line in text.splitlines()[1:]]


def mask(lines):
    "Return the lines that say something, without the password"
    return [
        re.sub(r'(admin.*: )[a-z2-9]{12}$', r'\1…', line)
        for line in lines if line.strip()]


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
        ['sh', zipped / 'instalar.sh', tmp_path / 'program'], env=environment,
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "branch init" in done.stdout
    technician = Technician(tmp_path / 'shop', language='es_MX.UTF-8')
    technician.command = tmp_path / 'bin' / 'offline-sales'
    code = new_code(office, 'TIJ')
    ended, lines, said = technician.talk(
        'init', '--listen', f'127.0.0.1:{technician.port}', answers={
            "Dirección de la central:": office.url,
            "Base de datos de la central:": 'central',
            "del formulario de la sucursal en la central:": code,
            "¿Continuar? [S/n]": 's',
            })
    assert ended == 0, said
    assert mask(lines) == mask(read_transcript({
                'https://erp.ejemplo.mx': office.url,
                '7K2M-09QX-DT4B': code,
                '127.0.0.1:8000': f'127.0.0.1:{technician.port}',
                '/var/lib/ventas/sucursal': str(technician.directory),
                }))
    # The progress
    assert "módulos" in said
    assert technician.type('doctor')[0] == 6  # It does not run yet
    (zipped / 'ruedas' / 'SHA256SUMS').write_text('0' * 64 + '  x.whl\n')
    done = subprocess.run(
        ['sh', zipped / 'instalar.sh', tmp_path / 'other'], env=environment,
        capture_output=True, text=True)
    assert (done.returncode, "dañado" in done.stderr) == (1, True)
