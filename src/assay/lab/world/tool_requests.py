"""How people ask for each fixed tool of the world, in plain words; knows no task.

`SHORT` asks with the required values only, `FULL` also names the optional ones.
"""

from __future__ import annotations

from assay.lab.world.base import Pool, phrasings
from assay.lab.world.tool_requests_more import MORE_FULL_TEXT, MORE_SHORT_TEXT

_SHORT_TEXT = """
get_weather
What is the weather in {city}?
How is the weather in {city} today?
Tell me the weather for {city}.
Weather in {city}, please.
Is it warm in {city} now?
Can you check the weather in {city}?
Do I need a coat in {city} today?
lookup_order
Where is my order {order_id}?
What is the status of order {order_id}?
Please look up order {order_id}.
Can you check order {order_id}?
I want to know about my order {order_id}.
Show me order {order_id}.
refund_order
Please refund order {order_id}.
I want my money back for order {order_id}.
Can you refund my order {order_id}?
Give me a refund for {order_id}.
I need a refund of order {order_id}.
Refund {order_id}, please.
cancel_order
Please cancel order {order_id}.
Cancel my order {order_id}.
I do not want order {order_id} any more. Cancel it.
Can you cancel {order_id} for me?
Stop order {order_id}, please.
I need to cancel order {order_id}.
send_email
Send an email to {to} with the subject "{subject}".
Email {to} about {subject}.
Write an email to {to}, subject: {subject}.
Please send {to} an email about {subject}.
Can you email {to}? The subject is {subject}.
I want to email {to} about {subject}.
send_message
Send {name} the message "{text}".
Tell {name}: {text}
Send a message to {name}: {text}
Please write to {name}: "{text}".
Let {name} know: {text}
Message {name}: {text}
create_ticket
Create a ticket with {priority} priority: {title}
Open a {priority} priority ticket: {title}
Please create a {priority} ticket, "{title}".
I need a support ticket for "{title}", priority {priority}.
New ticket: {title}. Priority: {priority}.
My problem: {title}. Open a ticket with priority {priority}.
search_articles
Search the articles for {query}.
Find articles about {query}.
What articles are there about {query}?
Show me articles on {query}.
I want to read about {query}. Find articles.
Look for articles about {query}.
create_event
Add {title} to my calendar on {date} at {time}.
Create an event: {title}, {date}, {time}.
Put {title} in the calendar for {date} at {time}.
I have {title} on {date} at {time}. Add it to my calendar.
Plan an event called {title} for {date}, {time}.
New calendar event on {date} at {time}: {title}.
set_reminder
Remind me to {text} at {time}.
At {time}, remind me to {text}.
Set a reminder for {time}: {text}.
I must {text} at {time}. Remind me.
Please remind me at {time} to {text}.
Can you remind me to {text} at {time}?
convert_currency
Convert {amount} {source} to {target}.
How much is {amount} {source} in {target}?
What is {amount} {source} in {target}?
Change {amount} {source} into {target}.
I have {amount} {source}. How much is that in {target}?
Exchange {amount} {source} for {target}.
convert_unit
Convert {value} {source} to {target}.
How many {target} are {value} {source}?
What is {value} {source} in {target}?
Change {value} {source} into {target}.
I have {value} {source}. How many {target} is that?
Give me {value} {source} in {target}.
translate_text
Translate "{text}" into {language}.
How do you say "{text}" in {language}?
What is "{text}" in {language}?
Please translate into {language}: {text}
Translate to {language}: {text}
Put "{text}" into {language}.
check_stock
Is the {product} in stock?
How many of the {product} do we have?
Check the stock of the {product}.
Do you have the {product} in stock?
Can I still buy the {product}? Check the stock.
Stock of the {product}, please.
track_parcel
Where is my parcel {parcel_id}?
Track parcel {parcel_id}.
Can you track the parcel {parcel_id}?
Has parcel {parcel_id} arrived?
What is the status of parcel {parcel_id}?
I am waiting for parcel {parcel_id}. Where is it?
read_file
Read the file {path}.
What is in {path}?
Show me the file {path}.
Open {path} and tell me what it says.
What does the file {path} say?
Please read {path}.
write_file
Write "{text}" to the file {path}.
Save "{text}" in {path}.
Put the text "{text}" into {path}.
Write this to {path}: {text}
Save to {path}: {text}
Please write to the file {path}: {text}
delete_file
Delete the file {path}.
Please delete {path}.
Remove {path}.
I do not need {path} any more. Delete it.
Can you delete the file {path}?
run_query
Show me {limit} rows from {table}.
Read {limit} rows of the table {table}.
Give me the first {limit} rows of {table}.
Query {table}, limit {limit}.
I need {limit} rows from the table {table}.
Get {limit} rows from {table}, please.
restart_service
Restart {service} in {environment}.
Please restart the {service} service in {environment}.
The {service} service in {environment} is stuck. Restart it.
Can you restart {service} on {environment}?
In {environment}, restart {service}.
Restart the {environment} {service} service.
book_table
Book a table at {restaurant} for {people} people at {time}.
I want a table for {people} at {restaurant}, {time}.
Can you book {restaurant} at {time} for {people} people?
Please book a table for {people} people at {time} at {restaurant}.
Table for {people} at {restaurant} at {time}, please.
We are {people} people. Book {restaurant} for {time}.
set_thermostat
Set the {room} to {degrees} degrees.
Heat the {room} to {degrees} degrees.
Make the {room} {degrees} degrees warm.
I want {degrees} degrees in the {room}.
Set the heating in the {room} to {degrees}.
Please set the heating of the {room} to {degrees} degrees.
set_light
Switch the {room} light {on}.
Turn {on} the light in the {room}.
Please turn the light in the {room} {on}.
Light {on} in the {room}.
Can you switch {on} the light in the {room}?
I want the {room} light {on}.
get_user
Find the user {name}.
Look up the user {name}.
Show me the record of {name}.
What do we know about the user {name}?
Get the user record for {name}.
Can you find {name} in the user records?
update_address
Change the address of user {user_id} to {address}.
User {user_id} now lives at {address}. Update it.
Update the address of {user_id}: {address}.
Set the address of user {user_id} to {address}.
The new address of user {user_id} is {address}. Save it.
transfer_money
Send {amount} dollars to {to}.
Transfer {amount} dollars to {to}.
Pay {to} {amount} dollars.
Please transfer {amount} to {to}.
I owe {to} {amount} dollars. Send it.
Can you send {to} {amount} dollars?
get_balance
What is the balance of account {account_id}?
How much money is in account {account_id}?
Show the balance of {account_id}.
Check the balance of account {account_id}.
Balance of account {account_id}, please.
start_timer
Start a timer for {minutes} minutes.
Set a timer: {minutes} minutes.
Timer for {minutes} minutes, please.
I need a timer of {minutes} minutes.
Wake me in {minutes} minutes. Use a timer.
Please start a {minutes} minute timer.
find_route
How do I get from {start} to {end}?
Find a route from {start} to {end}.
Show me the way from {start} to {end}.
I am in {start} and want to go to {end}. Find a route.
Plan a route from {start} to {end}.
What is the best way from {start} to {end}?
add_to_cart
Put {quantity} of the {product} in my cart.
Add {quantity} x {product} to the cart.
I want to buy {quantity} of the {product}. Add them to the cart.
Add the {product} to my cart, quantity {quantity}.
Please put the {product} in the cart, {quantity} times.
"""

_FULL_TEXT = """
get_weather
What is the weather in {city} in {unit}?
Tell me the weather for {city}, in {unit}.
Weather in {city} in {unit}, please.
How warm is it in {city}? Use {unit}.
I want the weather in {city}. Show it in {unit}.
refund_order
Refund {amount} dollars of order {order_id}.
I want {amount} dollars back for order {order_id}.
Please refund order {order_id}, but only {amount} dollars.
Give me a refund of {amount} for {order_id}.
Order {order_id}: refund {amount} dollars, please.
cancel_order
Cancel order {order_id}, it is {reason}.
Please cancel {order_id}. The reason is: {reason}.
My order {order_id} is {reason}. Cancel it.
Cancel my order {order_id} because it is {reason}.
Stop order {order_id}. Reason: {reason}.
send_email
Send an email to {to} with the subject "{subject}". {urgent}.
Email {to} about {subject}. {urgent}.
Write an email to {to}, subject: {subject}. {urgent}.
Please send {to} an email about {subject}. {urgent}, please.
{urgent}: email {to} about {subject}.
search_articles
Search the articles for {query}, at most {limit}.
Find {limit} articles about {query}.
Show me {limit} articles on {query}.
Look for articles about {query}. Limit: {limit}.
I want to read {limit} articles about {query}.
create_event
Add {title} to my calendar on {date} at {time} for {minutes} minutes.
Create an event: {title}, {date}, {time}, {minutes} minutes.
I have {title} on {date} at {time}. It takes {minutes} minutes. Add it to my calendar.
Put {title} in the calendar for {date} at {time}, {minutes} minutes long.
New calendar event on {date} at {time} for {minutes} minutes: {title}.
check_stock
Is the {product} in stock in {city}?
How many of the {product} do we have in {city}?
Check the stock of the {product} in {city}.
Do you have the {product} in stock in {city}?
Stock of the {product} in {city}, please.
book_table
Book a table {outside} at {restaurant} for {people} people at {time}.
I want a table for {people} at {restaurant}, {time}, {outside}.
Please book a table {outside} for {people} people at {time} at {restaurant}.
Table {outside} for {people} at {restaurant} at {time}, please.
We are {people} people. Book {restaurant} for {time}, {outside}.
find_route
How do I get from {start} to {end} by {mode}?
Find a {mode} route from {start} to {end}.
Show me the way from {start} to {end} by {mode}.
I am in {start} and want to go to {end} by {mode}. Find a route.
Plan a route from {start} to {end} by {mode}.
add_to_cart
Put {quantity} of the {product} in my cart, {gift}.
Add {quantity} x {product} to the cart, {gift}.
I want to buy {quantity} of the {product}, {gift}. Add them to the cart.
Add the {product} to my cart, quantity {quantity}, {gift}.
Please put the {product} in the cart, {quantity} times, {gift}.
"""


def split_blocks(text: str) -> list[tuple[str, list[str]]]:
    """Header lines (a tool's name first; it holds ``_`` and no end mark) and what follows each."""
    blocks: list[tuple[str, list[str]]] = []
    for line in text.strip().splitlines():
        first = line.split(" ")[0]
        if "|" in line or (first == line and first.replace("_", "").isalpha()):
            blocks.append((line, []))
        else:
            blocks[-1][1].append(line)
    return blocks


def _requests(text: str, suffix: str, more_text: str) -> dict[str, Pool[str]]:
    more = dict(split_blocks(more_text))
    return {
        name: phrasings(f"{name}.{suffix}", *lines, more=more[name])
        for name, lines in split_blocks(text)
    }


SHORT: dict[str, Pool[str]] = _requests(_SHORT_TEXT, "short", MORE_SHORT_TEXT)
FULL: dict[str, Pool[str]] = _requests(_FULL_TEXT, "full", MORE_FULL_TEXT)
