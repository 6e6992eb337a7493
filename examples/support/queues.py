"""What customers write about, by the queue that the desk puts it in; draws nothing.

`{good}` stands for any product, `{electric}` for one with a plug, `{furniture}` for a piece of
furniture. Messages under `shipping` go to one of two queues: large goods travel by lorry, and
another team answers for them.
"""

from __future__ import annotations

_BLOCKS = """
= shipping
My {good} has not arrived.
Where is the parcel with my {good}?
The {good} should have come on {day}.
I waited all {day} for the {good} and nobody came.
The {good} is three days late.
When does the driver bring my {good}?
The driver left the {good} at the wrong door.
My neighbour has my {good} and I cannot reach him.
The {good} was sent to my old address.
Can you bring the {good} on {day} instead?
The page says that the {good} was delivered, but it is not here.
I am not at home on {day}. Please bring the {good} later.
Why is my {good} still in {city}?
The parcel with the {good} has not moved for a week.
Please tell the driver to ring twice when he brings the {good}.
Your driver took the {good} away again.
I am still waiting for my {good}.
The {good} is on its way to {city}, but I live somewhere else.
= returns
Please take the {good} back, I have bought another one.
I want my money back and you get the {good}.
My wife does not like the {good}, so it goes back.
Can I return the {good} without the box?
I ordered the wrong {good} and want to return it.
Did my return of the {good} reach you?
I want to send the {good} back.
I do not like the {good}. Take it back, please.
The {good} is too big for my room. I want to return it.
Please send me a label for the {good}.
I changed my mind and do not want the {good}.
The {good} has the wrong colour. I want another one.
I sent the {good} back and have heard nothing.
Can I exchange the {good} for a smaller one?
The {good} was a gift. I would like to return it.
I have two of the {good} and want to return one.
I do not need the {good} any more. Who collects it?
How do I send back the {good}?
The label for the return of the {good} does not print.
Please collect the {good}, I do not want to keep it.
= claims
The {electric} does not switch on.
My {electric} stopped after ten minutes.
The {furniture} arrived with a broken leg.
There are scratches all over the new {furniture}.
The {good} was damaged on the way.
The glass of the {good} is broken.
The {good} came broken.
There is a crack in my {furniture}.
The {electric} stopped working after one day.
My new {good} is damaged.
The box was wet and the {good} is ruined.
The {furniture} has a deep scratch.
The {good} is dirty and looks used.
I opened the box and the {furniture} was in pieces.
The {electric} makes a loud noise and smells of smoke.
One corner of the {furniture} is bent.
The {furniture} was broken when the box arrived.
After a week the {electric} does not work any more.
The colour of the {good} comes off on my hands.
I cut my hand on a sharp corner of the {furniture}.
= billing
The price on my invoice for the {good} is too high.
I was charged for two of the {good}, but I bought one.
Where is the invoice of my {good}?
The payment for the {good} failed, but the money is gone.
Please send me a new bill for the {good}.
My discount was not taken off the price of the {good}.
You charged me twice for the {good}.
The invoice for the {good} is wrong.
I paid for the {good}, but the page says that I did not.
My card was refused when I paid for the {good}.
I have no invoice for the {good}.
The discount is missing on the invoice of the {good}.
Why did I pay more for the {good} than the page says?
I still wait for the refund of my {good}.
Please write my company on the invoice of the {good}.
There is a payment to you on my card, but I did not buy a {good}.
My gift card did not work for the {good}.
You took the money for the {good} two times.
I got a bill for the {good}, but I have paid it.
I was charged for delivery, but the {good} was over the limit.
= account
My password does not work, so I cannot order the {good}.
I want to change my name in the account before I buy the {good}.
How do I close my account? I have my {good} now.
Please send me a new password, I need to see my {good}.
The login fails every time I want to buy a {good}.
Take my phone number out of my account. I only bought a {good}.
I cannot log in to see my {good}.
I forgot my password and want to order a {good}.
Please delete my account, I only bought a {good}.
My name is wrong in my account since I bought the {good}.
Somebody else ordered a {good} with my account.
I do not want your emails about the {good}.
How do I change my email? I ordered a {good} with the old one.
The login page is slow when I look at the {good}.
I have two accounts, one with the {good}.
The page does not know my password, and I want to see my {good}.
Please change the phone number in my account. I ordered a {good}.
My account is locked and I need the {good}.
I get no email with the code when I log in to buy a {good}.
Stop the newsletter. I have my {good}.
"""


def _parse(text: str) -> dict[str, tuple[str, ...]]:
    blocks = (block.splitlines() for block in text.strip().removeprefix("= ").split("\n= "))
    return {head: tuple(lines) for head, *lines in blocks}


MESSAGES: dict[str, tuple[str, ...]] = _parse(_BLOCKS)
"""Queue, or `shipping`: the wordings."""

REQUESTS: tuple[str, ...] = (
    "Sort this message: {message}",
    "Which queue? {message}",
    "{message}\nQueue?",
    "Message: {message}\nQueue:",
    'Sort: "{message}"',
    "Put this in a queue.\n{message}",
)
"""How the desk's mail program asks for the queue of a message."""
