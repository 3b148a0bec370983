# gunicorn -c gunicorn.conf.py trytond.application:app
bind = 'unix:/run/tryton/gunicorn.sock'
workers = 2
worker_class = 'gthread'
threads = 8
# The first catalogs of a branch travel for minutes
timeout = 600
graceful_timeout = 60
raw_env = [
    'TRYTOND_CONFIG=/etc/tryton/trytond.conf',
    'TRYTOND_DATABASE_NAMES=erp',
    ]
