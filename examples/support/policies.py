"""The desk's policies: one fixed answer each, and how customers ask for it; draws nothing.

A block is a name and an answer, then one wording a line. `{good}` stands for any product,
`{electric}` for one with a plug, `{furniture}` for a piece of furniture.
"""

from __future__ import annotations

_BLOCKS = """
= return_period | You can return items within 40 days.
How many days do I have to return a {good}?
Until when can I return my {good}?
How long can I return an item?
What is the return period?
How much time do I have for a return?
Is there a time limit for returns?
Within how many days must I send the {good} back?
I bought a {good} two weeks ago. Can I still return it?
How late can I send back the {good}?
What is the last day for a return?
For how long do you take items back?
My {good} came last month. May I still return it?
Tell me the period for returns.
I want to think about it. How long can I return the {good}?
= refund_time | Your refund is paid within 6 working days.
How long does a refund take?
When do I get my money back?
When will you pay the refund for the {good}?
How many days until I have my refund?
I sent the {good} back. When do I get the money?
When is the refund paid?
How fast are refunds?
How long do I wait for my money after a return?
When will the refund be in my account?
After how many days do you pay me back?
How long until you pay the refund?
I have no refund yet. How many days does it take?
When do you pay refunds?
How quickly is a refund paid?
= delivery_time | Delivery takes 3 to 4 working days.
How long does delivery take?
How many days does the delivery of a {good} take?
When will a new order arrive?
How fast do you deliver?
If I order a {good} today, when does it come?
What is your delivery time?
How long must I wait for a {good}?
How soon can you deliver a {good}?
In how many days do you deliver?
What is the usual time for delivery?
How long is the delivery of the {good}?
When do you deliver after I order?
How much time does delivery take?
How many working days does delivery take?
= express | Express delivery takes one day and costs 11 euros.
Do you have express delivery?
What does express cost?
Can I get the {good} tomorrow with express?
I need the {good} very fast. Is there an express service?
How much is express delivery?
How fast is express?
Is there a faster delivery?
Can you send the {good} by express?
Tell me about express delivery.
I am in a hurry. Can the {good} come tomorrow?
Is express delivery possible for the {good}?
How long does express take?
I need a {good} by tomorrow. Is there an express delivery?
What is the price of express?
= free_delivery | Delivery is free from 75 euros.
When is delivery free?
From which amount is delivery free?
Do you have free delivery?
How much must I order for free delivery?
Is delivery free for large orders?
How can I get free delivery?
At what price does delivery become free?
Can I get the {good} delivered for free?
What is the limit for free delivery?
Is the delivery of a {good} free?
From how many euros is delivery free?
When do I get free delivery?
Must I pay delivery for a big order, or is it free?
Tell me when delivery is free.
= hours | We are open Monday to Friday from 8:30 to 17:30.
When are you open?
What are your opening hours?
When can I reach you?
How late are you open today?
At what time do you open?
When do you close?
Until when is your desk open?
On which days are you open?
Which hours do you work?
Are you open on Tuesday morning?
Are you open in the morning?
Tell me your opening hours.
How long are you open?
Is the desk open now?
= phone | Please call us on 555 0142.
What is your phone number?
Can I call you?
Which number should I call?
I would like to talk to you by phone.
Give me your telephone number, please.
How can I reach you by phone?
Under which number can I call the desk?
Do you have a phone?
I want to call you about a {good}. What is the number?
I would rather call. What is your number?
Is there a phone number for the desk?
How do I call you?
Please send me your phone number.
Can I phone you about my {good}?
= payment | You can pay by card, bank transfer or invoice.
How can I pay?
Which payment methods do you have?
Can I pay by card?
Do you take bank transfer?
Can I pay the {good} by invoice?
What are the ways to pay?
How do I pay for a {good}?
Which cards and payments do you take?
Can I choose how to pay?
What kinds of payment are possible?
What can I pay with?
Do you take cards?
May I pay by bank transfer?
Tell me how I can pay.
= gift_card | Our gift cards are valid for 4 years.
How long is a gift card valid?
When does my gift card end?
I have an old gift card. Can I still use it?
Until when can I use the gift card?
Is my gift card from last year still valid?
How many years can I keep a gift card?
Do gift cards have an end date?
Can I use a gift card after two years?
For how long can I use a gift card?
How long may I keep my gift card?
My gift card is three years old. Is it valid?
How many years is a gift card valid?
Does a gift card end?
Tell me how long gift cards are valid.
= cancel | You can cancel until the order is packed.
How long can I cancel an order?
Until when can I cancel?
Can I cancel my order after I pay?
May I still cancel the {good}?
When is it too late to cancel?
Can orders be cancelled?
I may want to cancel. How long is that possible?
What is the rule to cancel an order?
Is it possible to cancel the {good} later?
How late can I cancel the {good}?
Can I cancel tomorrow?
Tell me until when I can cancel.
I ordered a {good}. Can I cancel it?
What is the last moment to cancel?
= spare_parts | We keep spare parts for 8 years.
How long do you keep spare parts?
Do you have spare parts for old items?
For how many years can I get spare parts?
Can I buy spare parts for my {electric} later?
Are there spare parts for a {electric} from last year?
How many years do you have spare parts?
Will there still be spare parts in five years?
Until when are spare parts sold?
How long do you sell spare parts?
My {electric} is old. Are there spare parts?
For how long are there spare parts for a {electric}?
Tell me how long you have spare parts.
Do you still have spare parts after three years?
I keep things long. How long are spare parts kept?
= student | Students pay 12 percent less.
Do students pay less?
Is there a student price?
I am a student. Do I get the {good} for less?
How much do students save?
What is the discount for students?
Do you have a discount for students?
I go to university. Is there a discount for me?
How many percent do students get?
What do students pay?
I am a student. What is my discount?
Is the {good} cheaper for students?
Can a student get a discount?
Tell me about the student discount.
My daughter is a student. Does she pay less?
= showroom | Our showroom is at 14 Mill Street in Bremen.
Where is your showroom?
Can I see the {good} before I buy it?
Do you have a shop that I can visit?
What is the address of your shop?
Where can I visit you?
In which city is your showroom?
Can I come and look at a {good}?
Where can I try the {good}?
Is there a shop in my city?
Do you have a showroom?
Is there a showroom where I can see the {good}?
Where can I see a {good}?
Tell me the address of the showroom.
I want to visit your shop. Where is it?
"""

# The warranty depends on the product: the same wording has one of two answers.
_WARRANTY = """
How long is the warranty of the {item}?
What warranty does a {item} have?
For how long is my {item} under warranty?
How many months of warranty do I get for a {item}?
Does the {item} have a warranty?
When does the warranty of my {item} end?
Tell me the warranty of the {item}.
I want to know the warranty of a {item}.
Is there a warranty for the {item}?
What is the time of warranty for a {item}?
Until when is the {item} under warranty?
How many years of warranty are there for the {item}?
I bought a {item}. How long is the warranty?
How long do you give a warranty for the {item}?
"""
WARRANTY_ANSWERS = {
    "electric": "Items with a plug have a warranty of 5 years.",
    "plain": "This item has a warranty of 28 months.",
}
WARRANTY: tuple[str, ...] = tuple(_WARRANTY.strip().splitlines())


def _parse(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    policies = {}
    for block in text.strip().removeprefix("= ").split("\n= "):
        head, *wordings = block.splitlines()
        name, answer = head.split(" | ")
        policies[name] = (answer, tuple(wordings))
    return policies


POLICIES: dict[str, tuple[str, tuple[str, ...]]] = _parse(_BLOCKS)
"""Name: the answer, and the wordings of the question."""
