# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""make bundle: one zip per platform with all that a shop installs from

A shop has no package registry: the zip holds every wheel, for the versions of
Python that it may have, and what installs them.
"""
import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent
PACKAGE = 'trytond_offline_sales'
# The tags of wheels that its computers take, the newest first
PLATFORMS = {
    'linux': ['manylinux_2_28_x86_64', 'manylinux2014_x86_64'],
    'windows': ['win_amd64'],
    }
INSTALLERS = {
    'linux': 'instalar.sh',
    'windows': 'instalar.cmd',
    }
PYTHONS = ['3.11', '3.12', '3.13']


def pip(*arguments):
    subprocess.run(
        [sys.executable, '-m', 'pip', '--disable-pip-version-check', '-q',
            *map(str, arguments)], check=True)


def build_wheel(directory):
    """Build the wheel of what is here, and return its file

    From the sdist, in a folder of its own: what a former build has left in
    build/ would come along.
    """
    subprocess.run(
        [sys.executable, '-m', 'build', '--outdir', directory, ROOT],
        check=True, stdout=subprocess.DEVNULL)
    wheel, = directory.glob('*.whl')
    return wheel


def download(wheel, platform, python, directory):
    "Put the wheel and all that it needs into the directory"
    pip('download', '--only-binary=:all:', '-d', directory,
        '--implementation', 'cp', '--python-version', python,
        *(f'--platform={tag}' for tag in PLATFORMS[platform]),
        f'{wheel}[branch]')


def pack(directory, platform, file):
    wheels = sorted(directory.glob('*.whl'))
    sums = ''.join(
        f'{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n'
        for wheel in wheels)
    (directory / 'SHA256SUMS').write_text(sums)
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED) as bundle:
        for wheel in [*wheels, directory / 'SHA256SUMS']:
            bundle.write(wheel, f'{file.stem}/ruedas/{wheel.name}')
        for name in [INSTALLERS[platform], 'LEEME.txt']:
            info = zipfile.ZipInfo.from_file(
                HERE / name, f'{file.stem}/{name}')
            info.external_attr = (
                0o755 if name.endswith('.sh') else 0o644) << 16
            text = (HERE / name).read_text(encoding='utf-8')
            if platform == 'windows':
                text = text.replace('\n', '\r\n')
            bundle.writestr(info, text)


def make(platforms, pythons, output):
    "Return the files of the bundles"
    output.mkdir(parents=True, exist_ok=True)
    files = []
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(temporary)
        wheel = build_wheel(temporary)
        version = wheel.name.split('-')[1]
        for platform in platforms:
            directory = temporary / platform
            directory.mkdir()
            for python in pythons:
                download(wheel, platform, python, directory)
            file = output / f'ventas-sin-internet-{version}-{platform}.zip'
            pack(directory, platform, file)
            files.append(file)
    return files


def main():
    parser = argparse.ArgumentParser(prog='make bundle', description=__doc__)
    parser.add_argument(
        '--platform', nargs='+', choices=PLATFORMS, default=list(PLATFORMS))
    parser.add_argument('--python', nargs='+', default=PYTHONS)
    parser.add_argument('--output', type=Path, default=ROOT / 'dist')
    options = parser.parse_args()
    for file in make(options.platform, options.python, options.output):
        print(file)


if __name__ == '__main__':
    main()
