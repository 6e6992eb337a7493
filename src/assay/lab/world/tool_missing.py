"""Requests that leave a required value out, and the question that asks for it; knows no task."""

from __future__ import annotations

from dataclasses import dataclass

from assay.lab.world.base import Pool, phrasings
from assay.lab.world.tool_requests import split_blocks

_MISSING_TEXT = """
get_weather | city | Which city do you mean?
What is the weather like?
How is the weather today?
Tell me the weather, please.
Is it warm now?
Do I need a coat today?
lookup_order | order_id | Which order do you mean?
Where is my order?
What is the status of my order?
Please look up my order.
Can you check my order?
Show me the order.
refund_order | order_id | Which order should I refund?
I want my money back.
Please refund my order.
Can you refund it?
Give me a refund, please.
I need a refund of my order.
cancel_order | order_id | Which order should I cancel?
Please cancel my order.
I do not want my order any more. Cancel it.
Can you cancel an order for me?
Stop my order, please.
I need to cancel the order.
send_email | to | Who should get the email?
Send an email with the subject "{subject}".
Write an email about {subject}.
Please send an email. The subject is {subject}.
Email about {subject}, please.
I want to send an email about {subject}.
send_message | text | What should the message say?
Send {name} a message.
Please write to {name}.
Message {name}, please.
I want to send a message to {name}.
Can you write a message to {name}?
set_reminder | time | At what time should I remind you?
Remind me to {text}.
Set a reminder: {text}.
Please remind me to {text}.
I must {text}. Remind me.
Can you remind me to {text}?
convert_currency | target | Which currency should I convert to?
Convert {amount} {source}.
How much is {amount} {source}?
Change {amount} {source}, please.
I have {amount} {source}. Convert it.
Exchange {amount} {source} for me.
translate_text | language | Which language should I use?
Translate "{text}".
Please translate: {text}
Translate this: {text}
Can you translate "{text}"?
I need this in another language: {text}
track_parcel | parcel_id | Which parcel do you mean?
Where is my parcel?
Track my parcel.
Has my parcel arrived?
What is the status of my parcel?
I am waiting for a parcel. Where is it?
read_file | path | Which file should I read?
Read the file.
Open the file and tell me what it says.
What does the file say?
Please read my file.
Show me the file.
restart_service | environment | In which environment should I restart it?
Restart {service}.
Please restart the {service} service.
The {service} service is stuck. Restart it.
Can you restart {service}?
Restart the service {service}, please.
book_table | people | For how many people?
Book a table at {restaurant} at {time}.
I want a table at {restaurant}, {time}.
Can you book {restaurant} at {time}?
Please book a table at {time} at {restaurant}.
Table at {restaurant} at {time}, please.
transfer_money | amount | How much money should I send?
Send money to {to}.
Transfer money to {to}.
Pay {to}, please.
I owe {to} money. Send it.
Can you send {to} some money?
get_balance | account_id | Which account do you mean?
What is the balance of my account?
How much money is in my account?
Show the balance.
Check the balance, please.
How much money do I have?
start_timer | minutes | For how many minutes?
Start a timer.
Set a timer, please.
I need a timer.
Timer, please.
Can you start a timer?
find_route | start | From which city do you start?
How do I get to {end}?
Find a route to {end}.
Show me the way to {end}.
I want to go to {end}. Find a route.
Plan a route to {end}.
"""

_MORE_MISSING_TEXT = """
get_weather
I would like to know the weather.
Is it raining outside?
Could you check the weather for me?
What is the forecast for today?
Should I take an umbrella?
Let me know how cold it is.
Task: weather report
Sun or rain today?
lookup_order
I would like to know how my order is coming along.
Any news of my order?
Could you find my order in the system?
Task: order status
Has my order gone out yet?
Let me know about my order, please.
Tell me what is happening with the order.
refund_order
I would like a refund for something that I bought.
Could you pay me back for the order?
Task: refund an order
What I bought is bad. Pay me back, please.
Return the money for my order to me.
My order was bad, so refund it.
Is a refund possible? Then make one, please.
cancel_order
I would like to cancel something that I ordered.
Task: cancel an order
I changed my mind about my order. Cancel, please.
Could you call off my order?
My order is no longer needed, so cancel it.
Cancellation of an order, please.
Do not send what I ordered, I want it cancelled.
send_email
The email that I need is about {subject}.
Task: email. Subject: {subject}
Could you send an email on {subject}?
New email, subject line "{subject}", please.
Let us send an email with {subject} as the subject.
"{subject}" is the subject of my email. Send it.
I would like to mail someone about {subject}.
send_message
Task: message for {name}
I would like to text {name}.
Could you send {name} a short message?
Start a new message. It goes to {name}.
{name} should get a message from me.
I have a message for {name}. Please send it.
Let us write {name} a message.
set_reminder
Do not let me forget to {text}.
Task: reminder to {text}
I would like a reminder to {text}.
Could you set a reminder for me to {text}?
Reminder: {text}
I often forget to {text}. Please remind me.
Please help me to remember this: {text}
convert_currency
Task: convert {amount} {source}
I would like to change {amount} {source} into other money.
Could you tell me what {amount} {source} is worth?
What do I get for {amount} {source}?
My {amount} {source} should become another currency.
Let me know the value of {amount} {source}.
I want to swap {amount} {source} for a different currency.
translate_text
Task: translation. Text: {text}
I would like to have "{text}" translated.
Could you put "{text}" into another language?
Translation of "{text}", please.
My friend does not speak English. Translate this for her: {text}
What is "{text}" in the other language?
Please turn these words into a foreign language: {text}
track_parcel
Parcel tracking, please.
I would like to know where my parcel is now.
Task: track a parcel
Could you find out where the parcel is?
My parcel is late. Please find it.
Any news of my parcel?
Which city has my parcel reached?
read_file
I would like to see what is in my file.
Task: read a file
Could you open a file for me?
What is written in my file?
Let me know what the file has in it.
I need the text of the file.
Print a file for me, please.
restart_service
Task: restart {service}
I would like a restart of {service}.
{service} does not answer. Please start it again.
Could you stop and start the {service} service?
Let the {service} service start again.
We need {service} to be restarted.
Please bring {service} up again.
book_table
Task: table booking. {restaurant}, {time}
I would like to eat at {restaurant} at {time}. Please book a table.
Could you get us a table at {restaurant}? {time} is fine.
Reserve a table at {restaurant}, {time}.
We want to be at {restaurant} at {time}. Book us in.
At {time} we want to eat at {restaurant}, so reserve a table.
{restaurant}, {time}, a table please.
transfer_money
Task: pay {to}
I would like to give {to} some money.
Could you make a transfer to {to}?
{to} gets money from me. Please send it.
I have to pay {to} today.
Let {to} have money from my account.
A payment to {to}, please.
get_balance
Account balance, please.
I would like to know how much is in my account.
Task: account balance
Could you tell me the balance?
Is there any money left in my account?
Let me know how many dollars I have.
What does my account hold at the moment?
start_timer
I would like to use a timer.
Task: start a timer
Please let a timer run.
Count down for me, please.
Could you time this for me?
My eggs are in the water. Start the timer.
A timer would help me now.
find_route
Route to {end}?
I would like to travel to {end}. Which way is it?
Task: route to {end}
Could you tell me how to reach {end}?
I must be in {end} later. Which route should I take?
Directions to {end}, please.
My trip goes to {end}. Please look for a route.
"""


@dataclass(frozen=True)
class Missing:
    """A tool, the required parameter left out, the question that asks for it, and requests."""

    tool: str
    param: str
    question: str
    requests: Pool[str]


def _missing() -> tuple[Missing, ...]:
    rows = []
    more = dict(split_blocks(_MORE_MISSING_TEXT))
    for header, lines in split_blocks(_MISSING_TEXT):
        tool, param, question = (part.strip() for part in header.split("|"))
        requests = phrasings(f"{tool}.missing", *lines, more=more[tool])
        rows.append(Missing(tool, param, question, requests))
    return tuple(rows)


MISSING: tuple[Missing, ...] = _missing()
