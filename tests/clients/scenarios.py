# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What people do, in Spanish, in the desktop and in the web client

Each takes the client, logged in, and the facts: the codes of two products and
the number of the next ticket.
"""

MENU = 'Administración/Ventas sin internet/'
CONFIGURATION = MENU + "Configurar sistema de ventas sin internet"
OBTAIN = "Obtener catálogos desde el servidor"
SEND = "Enviar mis cambios al servidor"
OBTAINED = "Se obtuvieron los catálogos correctamente"
TICKETS = 'Ventas/Ventas de TPV'


def obtain(client, facts):
    "Who administers a branch obtains its catalogs"
    client.menu(CONFIGURATION)
    client.see(facts['branch'])
    client.click("Procesos")
    client.shot('procesos')
    client.click(OBTAIN)
    client.click("Obtener")
    client.see(OBTAINED)
    client.shot('catalogos')
    client.click("Cerrar")
    client.click("Configuraciones")
    client.see(OBTAINED)
    client.shot('configuracion')


def sell(client, facts):
    "A cashier sells with the keyboard and the ticket is done"
    client.menu(TICKETS)
    client.strike('new')
    client.see("Se puede vender hasta las")
    for code in facts['codes']:
        client.scan(code)
    client.see(facts['name'])
    client.shot('ticket')
    client.strike('pay')
    client.see("Método")
    client.shot('pago')
    client.strike('accept')
    client.see(facts['number'])
    client.see("Finalizada")
    client.printed()
    client.shot('ticket-pagado')
    # Besides the codes
    assert client.strokes == 3 + len(facts['codes']), client.strokes


def send(client, facts):
    "A cashier sends what was sold"
    client.menu(MENU + SEND)
    client.see("Ticket: 1")
    client.shot('enviar')


def sell_and_send(client, facts):
    sell(client, facts)
    send(client, facts)


def oversee(client, facts):
    "Somebody responsible looks at the central"
    client.menu(MENU + "Tablero de actualizaciones Sucursales")
    client.see(facts['branch'])
    client.shot('tablero')
    client.menu(MENU + "Diario de Ventas sin Internet")
    client.see(facts['number'])
    client.shot('diario')
    client.menu(MENU + "Imprimir diario")
    client.see("Desde")
    client.click("Imprimir")
    client.printed()
    client.menu(MENU + "Generar token de uso")
    client.fill("Id", "985 960 485")
    client.fill("Motivo", "Se cayó el internet")
    client.shot('token')
