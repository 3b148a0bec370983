# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MODULE = 'offline_sales'
PACKAGE = f'trytond.modules.{MODULE}'
# A package of its own: the configuration is read before trytond is imported
COMMANDS = f'{MODULE}_cli'

config = ConfigParser()
config.read(ROOT / 'tryton.cfg')
info = dict(config.items('tryton'))
version = info['version']
major, minor, _ = map(int, version.split('.', 2))


class BuildModule(build_py):
    "Leaves out this file, which is in the folder of the root package"

    def find_package_modules(self, package, package_dir):
        return [
            found for found in super().find_package_modules(
                package, package_dir)
            if found[:2] != (PACKAGE, 'setup')]


def require(name, extra=''):
    "The requirement of a distribution of the same Tryton series"
    return f'{name}{extra} >= {major}.{minor}, < {major}.{minor + 1}'


def require_modules(option):
    return [
        require(f'trytond_{module}') for module in info[option].split()
        if module not in {'ir', 'res'}]


demo = [
    'Faker',
    require('proteus'),
    *require_modules('extras_depend'),
    ]
# What the commands of a branch need, and what its central may have
branch = [
    'cryptography',
    'psycopg[binary,pool] >= 3.2',
    'tqdm',
    *require_modules('extras_depend'),
    ]

setup(
    name=f'trytond_{MODULE}',
    version=version,
    description="Sell at the point of sale while the internet is down",
    long_description=(ROOT / 'README.rst').read_text(encoding='utf-8'),
    long_description_content_type='text/x-rst',
    author="The Ventas sin Internet authors",
    license='GPL-3.0-or-later',
    license_files=['LICENSE', 'COPYRIGHT'],
    keywords='tryton sale point offline branch synchronization',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Plugins',
        'Framework :: Tryton',
        'Intended Audience :: Developers',
        'Intended Audience :: Financial and Insurance Industry',
        'Natural Language :: English',
        'Natural Language :: Spanish',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Office/Business',
        'Topic :: Office/Business :: Financial :: Point-Of-Sale',
        ],
    cmdclass={'build_py': BuildModule},
    package_dir={PACKAGE: '.', COMMANDS: f'{MODULE}/cli'},
    packages=[COMMANDS, PACKAGE] + [
        f'{PACKAGE}.{package}' for package in find_packages(
            ROOT, include=[MODULE, f'{MODULE}.*', 'tests', 'tests.*'],
            exclude=[f'{MODULE}.cli'])],
    package_data={
        PACKAGE: info['xml'].split() + [
            'tryton.cfg', 'view/*.xml', 'report/*.fodt', 'report/*.fods',
            'locale/*.po', 'locale/override/*.po', 'icons/*.svg',
            'tests/*.txt',
            'tests/clients/*.sh', 'tests/payloads/*.json'],
        COMMANDS: ['locale/*/LC_MESSAGES/*.[mp]o'],
        },
    python_requires='>=3.10',
    install_requires=[
        'filelock',
        'num2words',
        'oath',
        'python-sql',
        'python-stdnum',
        'reportlab >= 4',
        'requests',
        'urllib3 >= 2.3',
        require('trytond'),
        *require_modules('depends'),
        ],
    extras_require={
        'branch': branch,
        'demo': demo,
        'test': [
            *branch,
            *demo,
            'babel',
            'build',
            'gunicorn ; sys_platform != "win32"',
            'hypothesis',
            'packaging',
            'polib',
            'pypdf',
            'pytest',
            'pytest-randomly',
            'pytest-timeout',
            'pytest-xdist',
            'ruff',
            # Activated while a test runs
            require('trytond_account_tax_cash'),
            require('trytond_product_price_list_dates'),
            ],
        },
    zip_safe=False,
    entry_points={
        'console_scripts': [
            f'offline-sales = {COMMANDS}:main'],
        'trytond.modules': [f'{MODULE} = {PACKAGE}'],
        },
    )
