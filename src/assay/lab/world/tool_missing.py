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


@dataclass(frozen=True)
class Missing:
    """A tool, the required parameter left out, the question that asks for it, and requests."""

    tool: str
    param: str
    question: str
    requests: Pool[str]


def _missing() -> tuple[Missing, ...]:
    rows = []
    for header, lines in split_blocks(_MISSING_TEXT):
        tool, param, question = (part.strip() for part in header.split("|"))
        rows.append(Missing(tool, param, question, phrasings(f"{tool}.missing", *lines)))
    return tuple(rows)


MISSING: tuple[Missing, ...] = _missing()
