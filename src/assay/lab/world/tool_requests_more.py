"""More ways to ask for the fixed tools, for training alone; the format is `tool_requests`'s."""

from __future__ import annotations

MORE_SHORT_TEXT = """
get_weather
Weather report for {city}?
I would like to know the weather in {city}.
Could you look up how the sky is in {city} right now?
I will be in {city} today. What weather will I find?
Task: weather, {city}
Let me know if the sun shines in {city}.
Please give me the forecast for {city}.
How cold is it over in {city}?
{city}: does it rain there?
Will I get wet in {city} today?
Say how the weather in {city} is.
Before I go out in {city}: what is the weather?
Should I take an umbrella? I am in {city}.
What should I wear in {city} today?
Any rain in {city} at the moment?
lookup_order
I would like to see how far order {order_id} is.
Order {order_id}: any news?
Has anything happened with order {order_id} yet?
Let me know what state order {order_id} is in.
Task: order status, {order_id}
Find order {order_id} in the system, please.
Did my order {order_id} go out already?
Could you give me the details of order {order_id}?
Tell me about the order with number {order_id}.
How is order {order_id} coming along?
Hello, my order has the number {order_id}. Where is it?
When will order {order_id} be here?
Check what has become of {order_id}, please.
I am still waiting for order {order_id}. Look it up.
Is {order_id} on its way?
What does the system say about order {order_id}?
refund_order
I would like to get the money for order {order_id} back.
Order {order_id} was bad. Pay me back, please.
Task: refund, order {order_id}
Could you return what I paid for {order_id}?
Money back, order {order_id}
Let me have a full refund on order {order_id}.
Send back the money that I paid for order {order_id}.
What I paid for order {order_id} should come back to me.
Is a refund possible for {order_id}? Then make it, please.
Start the refund for order number {order_id}.
Order {order_id} never arrived, so I want a refund.
I sent {order_id} back. Now refund it.
Pay back order {order_id}.
You owe me the money for order {order_id}.
Make a refund on order {order_id}.
I am not happy with {order_id}. Please refund me.
cancel_order
Task: cancel {order_id}
Order {order_id} is no longer needed, so please call it off.
I changed my mind about order {order_id}. Cancel, please.
Could you stop order {order_id} before it goes out?
It was a mistake to buy {order_id}. Please cancel that order.
Cancellation of order {order_id}, please.
I would like you to cancel the order with number {order_id}.
Do not send order {order_id}, I want it cancelled.
Order to cancel: {order_id}
Let order {order_id} be cancelled.
Order {order_id} must not be sent. Cancel it now.
I found it cheaper elsewhere, so cancel {order_id}.
Drop order {order_id}, please.
Is it too late to cancel {order_id}? If not, do it.
Order {order_id} is a mistake, cancel.
Take back my order {order_id} before it is packed.
send_email
New email to {to}, subject line "{subject}"
I would like to send {to} an email on {subject}.
Task: email. To: {to}. Subject: {subject}
Let {to} have an email with the subject {subject}.
To {to}, subject "{subject}": please send this email.
Could you mail {to}? Use "{subject}" as the subject.
The subject is {subject} and the email goes to {to}.
Mail to {to} with {subject} as the subject, please.
I need an email about {subject} sent to {to}.
"{subject}" is the subject. Email it to {to}.
Get an email to {to}. Subject: {subject}.
Drop {to} an email about {subject}.
Write to {to} by email on the subject of {subject}.
Email for {to}: the subject should be "{subject}".
Compose an email called "{subject}" for {to}.
It is about {subject}. Please email {to}.
send_message
Could you pass this on to {name}: {text}
Text {name} this: "{text}"
Task: message for {name}. Text: {text}
Say "{text}" to {name} in a message.
I have a message for {name}: {text}
Please let {name} have this message: {text}
"{text}" is what I want to tell {name}. Send it.
{name} should get the message "{text}" from me.
New message. To: {name}. It says: {text}
I would like {name} to read this message: {text}
Give {name} this news: {text}
I want {name} to hear that: {text}
Quick note to {name}: "{text}"
Write {name} a message which says: {text}
Pass the words "{text}" to {name}, please.
Could {name} be told this? {text}
Inform {name}: {text}
create_ticket
Task: ticket. Title: {title}. Priority: {priority}
Support should look at this: {title}. The ticket has {priority} priority.
I would like to report "{title}" as a {priority} priority ticket.
Could you file a ticket called "{title}"? Its priority is {priority}.
Ticket, {priority} priority: {title}
We have a problem, {title}. Make a ticket with {priority} priority.
Please add a support ticket "{title}" and give it {priority} priority.
Make this a {priority} priority support ticket: {title}
"{title}" needs a ticket. Set the priority to {priority}.
Help us: {title}. It is a ticket of {priority} priority.
There is trouble: {title}. Priority {priority}, ticket please.
Log this as a ticket. {title}, priority: {priority}.
Start a {priority} ticket about this: {title}
Support ticket wanted. Title {title}, {priority} priority.
Can we get a {priority} priority ticket for {title}?
Enter a ticket: "{title}" ({priority}).
search_articles
{query} articles, if there are some.
I would like to find some articles on {query}.
Task: search articles, {query}
Is there any article on {query}?
Could you look up articles that deal with {query}?
Let me see what the articles have about {query}.
{query}: which articles do we have?
I need something to read on {query}. Search the articles.
Please use the article search for {query}.
My topic is {query}. Get me articles on it.
Which articles tell me more on {query}?
I am curious about {query}. Are there articles?
Dig out articles about {query}.
Show what has been written about {query} in the articles.
Get articles for the search words {query}.
Look through the articles for {query}, please.
create_event
Task: calendar event. {title}, on {date} at {time}
Could you save {title} in my calendar? It is on {date} at {time}.
{title} takes place on {date} at {time}. Please put it in the calendar.
On {date} at {time} there is {title}. Make a calendar entry.
I would like a calendar event for {title}: {date}, {time}.
Date: {date}. Time: {time}. Calendar event: {title}.
Mark {date}, {time} in my calendar for {title}.
Let my calendar show {title} on {date} at {time}.
Block {time} on {date} in my calendar for {title}.
Please write {title} into the calendar: {date} at {time}.
Calendar: {title}, {date}, {time}.
Schedule {title} for {date} at {time}.
Set up {title} on {date}, starting at {time}.
Keep {date}, {time} free for {title}, and put it in my calendar.
We meet for {title} on {date} at {time}. Add the event.
Enter {title} in my calendar, {time} on {date}.
set_reminder
Reminder at {time}: {text}
I would like a reminder at {time} to {text}.
Do not let me forget to {text} at {time}.
Task: reminder. Time: {time}. Text: {text}
Could you tell me at {time} that I have to {text}?
When it is {time}, tell me to {text}.
{text}: remind me of that at {time}.
I want to {text} at {time}, so set a reminder.
Make sure that I {text} at {time}. A reminder would help.
My reminder for {time} should say: {text}.
At {time} I should {text}. Give me a reminder.
Ping me at {time} so that I {text}.
I tend to forget things. Remind me at {time} to {text}.
Let there be a reminder to {text} at {time}.
Reminder, please: {text}, {time}.
Set something for {time} that reminds me to {text}.
convert_currency
I would like to change {amount} {source} to {target}.
{amount} {source} makes how many {target}?
Task: currency. {amount} {source} to {target}
Could you tell me the value of {amount} {source} in {target}?
What do I get in {target} for {amount} {source}?
I paid {amount} {source}. What would that be in {target}?
Let me know what {amount} {source} makes in {target}.
If I exchange {amount} {source}, how much {target} do I get?
Please work out {amount} {source} in {target} for me.
My money is {amount} {source} and I need it in {target}.
Tell me {amount} {source} in {target}.
How many {target} would {amount} {source} buy?
Turn {amount} {source} into {target}.
{amount} {source} to {target}, please.
The price is {amount} {source}. Say it in {target}.
I need to know what {amount} {source} is worth in {target}.
convert_unit
{value} {source} are how many {target}?
Task: units. {value} {source} to {target}
I would like to have {value} {source} as {target}.
Could you turn {value} {source} into {target}?
Tell me the number of {target} in {value} {source}.
Please write {value} {source} in {target}.
It says {value} {source} here. What is that in {target}?
Unit change: {value} {source} to {target}, please.
Let me know how many {target} make {value} {source}.
The value is {value} {source}, and I need it in {target}.
Say {value} {source} in {target}.
{value} {source} to {target}, please.
The length of it is {value} {source}. And in {target}?
Make {target} out of {value} {source}.
How much is {value} {source} when you count in {target}?
I only know {target}. What are {value} {source} then?
translate_text
I would like to read "{text}" in {language}.
Task: translation into {language}. Text: {text}
Could you write "{text}" in {language} for me?
Tell me the {language} words for "{text}".
{language} translation, please: {text}
My friend speaks {language} only. Translate "{text}" for her.
I need the {language} version of "{text}".
In {language}, what would this be: {text}
Turn the text "{text}" into {language}.
Give me this in {language}: {text}
Put "{text}" in {language}, please.
I have to say "{text}" to someone who speaks {language}. How?
Please translate this for me. Text: {text}. Language: {language}.
What are the words for "{text}" in {language}?
Change "{text}" to {language}.
{language}, please: "{text}"
check_stock
Stock level, {product}?
I would like to know how many of the {product} are left.
Task: stock check, {product}
Could you see whether the store still has the {product}?
Have we run out of the {product}?
Let me know if there is any {product} left.
Is the {product} sold out?
A customer wants the {product}. Do we have any?
{product}: how many are there in stock?
Please find out the stock for the {product}.
Are there still some of the {product} in the store?
Look up the stock of the {product}.
Does the store sell the {product} right now?
I want to buy the {product}. Is it there?
How is our stock of the {product}?
Count the {product} that we have in stock.
track_parcel
Parcel {parcel_id}: where now?
I would like to know where parcel {parcel_id} is at the moment.
Task: track {parcel_id}
Could you find out how far parcel {parcel_id} has come?
Let me know the place of parcel {parcel_id}.
My parcel {parcel_id} is late. Please find it.
Follow parcel {parcel_id} for me, please.
Which city has parcel {parcel_id} reached?
Any news of parcel {parcel_id}?
The number of my parcel is {parcel_id}. Track it.
Where has {parcel_id} got to?
When does parcel {parcel_id} come?
See where the parcel {parcel_id} is now.
Look up the parcel with number {parcel_id}.
My parcel has not come. Its number is {parcel_id}.
Parcel {parcel_id} should be here by now. Check it.
read_file
File {path}: what is inside?
I would like to see the text of {path}.
Task: read {path}
Could you tell me what is written in {path}?
Let me know what the file {path} has in it.
I need the text that is in the file {path}.
Print the file {path}.
Have a look at {path} and tell me the text.
Give me everything in the file {path}, please.
Show what {path} says.
Read out {path} to me.
What has been written to {path}?
Load {path} and show the text.
I want to know the words in {path}.
Give me a look into {path}.
write_file
Task: write file {path}. Text: {text}
I would like {path} to say "{text}".
Could you store "{text}" in the file {path}?
Make a file {path} with this text: {text}
New file {path} with the text "{text}", please.
The file {path} should hold this text: {text}
"{text}" goes into the file {path}.
Please keep this text in {path}: {text}
I need "{text}" written to {path}.
Let the text of {path} be: {text}
Save the words "{text}" as {path}.
Fill the file {path} with "{text}".
Note "{text}" down in {path}.
Add a file named {path} that says "{text}".
Text for {path}: {text}
Change the file {path} so that it says "{text}".
delete_file
File to delete: {path}
I would like {path} to be gone.
Task: delete {path}
Could you throw away {path}?
The file {path} is old. Get rid of it.
Nobody needs the file {path}. Please remove it.
Erase {path}, please.
Let the file {path} be deleted.
Make sure that {path} is deleted.
Take the file {path} away for good.
I have no more use for {path}. Delete it.
Drop the file {path}.
Kill the file {path}, please.
Clear {path} off the disk.
{path} is not needed. Remove the file.
Be so kind and delete {path}.
run_query
Task: query. Table: {table}. Limit: {limit}
I would like to see {limit} rows of the {table} table.
Could you fetch {limit} rows out of {table}?
Table {table}, {limit} rows
From the table {table}, read {limit} rows.
What do {limit} rows of the table {table} look like?
Print the table {table}, and stop after {limit} rows.
The table is {table} and I want {limit} rows.
Run a query on {table} for {limit} rows.
Load the table {table}, but only {limit} rows.
Select {limit} rows from {table}.
Pull {limit} rows from the {table} table.
The first {limit} of {table}, please.
I need the table {table}, cut off at {limit} rows.
Let me look at {limit} rows from {table}.
Query: {limit} rows, table {table}.
restart_service
Task: restart {service}. Environment: {environment}
I would like a restart of {service} in {environment}.
{environment}: {service} needs a restart.
Could you stop and start {service} in {environment}?
{service} does not answer in {environment}. Please restart it.
Let the {service} service start again in {environment}.
Please bring {service} in {environment} up again.
We need the {service} service in {environment} to be restarted.
Start {service} again, environment {environment}.
The service is {service}, the environment is {environment}. Restart.
In {environment}, {service} hangs. Restart.
Give {service} in {environment} a fresh start.
Shut {service} down in {environment} and start it again.
{service} in {environment} is slow, so restart it.
Kick the {environment} {service} service, please. It needs a restart.
Do a restart of the service {service} ({environment}).
book_table
Task: table booking. {restaurant}, {people} people, {time}
We want to eat at {restaurant} at {time}, {people} of us. Book it.
Could you get us a table at {restaurant}? {time}, {people} people.
Reserve a table at {restaurant} at {time}, {people} people.
At {time}, {people} people want to eat at {restaurant}. Please book a table.
Let us have a table for {people} at {restaurant}, and make it {time}.
{restaurant}, {time}, table for {people}
Dinner at {restaurant} at {time} for {people} people. Please reserve.
I need seats for {people} at {restaurant} at {time}.
Booking for {restaurant}: {time}, {people} people, please.
We will be {people} at {restaurant} around {time}. Get a table.
Please get {people} seats at {restaurant} for {time}.
Can {people} people eat at {restaurant} at {time}? Book it, please.
Make a booking: {restaurant}, {people} people, {time}.
I would like a table at {restaurant} for {people}, at {time}.
Tonight at {time} we eat at {restaurant}. Book for {people} people.
set_thermostat
Task: heating. Room: {room}. Degrees: {degrees}
Could you bring the {room} to {degrees} degrees?
I would like the {room} to be at {degrees} degrees.
{room}: {degrees} degrees, please.
The {room} should have {degrees} degrees.
It is cold here. Heating in the {room} to {degrees}, please.
Let it be {degrees} degrees in the {room}.
Thermostat of the {room} to {degrees}.
Change how warm the {room} is: {degrees} degrees.
{degrees} degrees would be nice in the {room}. Set the heating.
Warm the {room} to {degrees} degrees.
Heat up the {room}, {degrees} degrees please.
The thermostat in the {room} should say {degrees}.
Adjust the {room} to {degrees} degrees.
Put the {room} heating at {degrees} degrees.
set_light
Task: light {on}, {room}
Could you turn the light of the {room} {on} for me?
I would like to have the light {on} in the {room}.
{room} light {on}, please.
The light in the {room} should be {on}.
Please make sure the {room} light is {on}.
In the {room}, switch the light {on}.
Let the {room} light go {on}.
Room: {room}. Light: {on}.
The {room} needs its light {on}.
Light {on} in the {room}, please.
I need the {room} light {on}.
Can you get the light {on} in the {room}?
Go and turn the {room} light {on}.
Set the {room} light to {on}.
The {room} light has to go {on}.
get_user
User {name}: what is in the record?
I would like to see the user record of {name}.
Task: look up user {name}
Could you open the user record for {name}?
Is there a user called {name}? Get the record.
Let me see what is stored about the user {name}.
Please search for a user with the name {name}.
I need the data of the user {name}.
Which record belongs to the user {name}?
Give me the user data for {name}, please.
Who is the user {name}? Show the record.
Pull up the user {name}.
Get me all that you have on user {name}.
Look for {name} among the users.
I want to see what we know of user {name}.
Fetch user {name}.
update_address
Task: new address for {user_id}: {address}
I would like to change where user {user_id} lives to {address}.
Could you write {address} as the address of user {user_id}?
User {user_id}, address: {address}. Please store this.
Please make {address} the address of user {user_id}.
User {user_id} has moved to {address}. Change the record.
From now on, use {address} as the address of {user_id}.
The address of {user_id} is wrong. It should be {address}.
Let user {user_id} have the address {address}.
Address change for user {user_id}: now {address}.
The user {user_id} has a new home: {address}. Store it.
Put {address} down as the address of {user_id}.
Correct the address of {user_id} to {address}.
Change to {address} for user {user_id}.
New home for {user_id}: {address}. Please change it.
{user_id} lives at {address} since May. Please update.
transfer_money
Task: pay {to}. Amount: {amount} dollars
I would like to give {to} {amount} dollars.
Could you move {amount} dollars to {to}?
{to} gets {amount} dollars from me. Please send them.
Let {to} have {amount} dollars from my account.
Money for {to}: {amount} dollars
A payment of {amount} dollars to {to}, please.
I have to pay {to}. The amount is {amount} dollars.
Make a transfer to {to} of {amount} dollars.
My rent is {amount} dollars and goes to {to}. Please pay it.
{to} should receive {amount} dollars.
Please get {amount} dollars over to {to}.
I owe {to} {amount} dollars. Pay it back.
Wire {amount} dollars to {to}.
Give {amount} dollars to {to}, please.
For {to}, {amount} dollars from my account.
get_balance
Account {account_id}, balance?
I would like to know what is left in account {account_id}.
Task: balance of {account_id}
Could you look at account {account_id} and tell me the balance?
Let me know the money in account {account_id}.
How many dollars are there in account {account_id}?
Is there any money in account {account_id}?
What does account {account_id} hold at the moment?
Give me the current balance for account {account_id}.
My account is {account_id}. How much do I have?
What have I got in {account_id}?
Read me the balance of {account_id}.
See how much is in account {account_id}.
Am I out of money in account {account_id}?
Account {account_id}: how much money is left?
Look up what account {account_id} has.
start_timer
Task: timer, {minutes} minutes
Could you count down {minutes} minutes for me?
I would like the timer to run for {minutes} minutes.
{minutes} minutes on the timer, please.
Tell me when {minutes} minutes are over.
My tea needs {minutes} minutes. Start the timer.
Let the timer ring in {minutes} minutes.
Timer: {minutes} min.
Give me a timer that rings after {minutes} minutes.
Please time {minutes} minutes for me.
Ring in {minutes} minutes.
The eggs take {minutes} minutes. Timer, please.
Set the clock to count {minutes} minutes.
I need to know when {minutes} minutes have passed.
Run a timer of {minutes} minutes.
Wake me in {minutes} minutes with a timer.
find_route
Route {start} to {end}?
I would like to travel from {start} to {end}. Which way is it?
Task: route. From: {start}. To: {end}
Could you tell me how to reach {end} from {start}?
I leave from {start} and must be in {end} later. Which route?
Let me know the way to {end}, starting in {start}.
My trip goes from {start} to {end}. Please look for a route.
We are going to {end} from {start}. Show us a route.
Directions from {start} to {end}, please.
Guide me from {start} to {end}.
I am at {start}. How far is the way to {end}, and which is it?
Which roads go from {start} to {end}?
Take me to {end} from {start}.
Find the best way between {start} and {end}.
We start in {start} and finish in {end}. Find a route.
add_to_cart
Task: cart. {product}, quantity {quantity}
Could you lay {quantity} of the {product} into the cart?
I would like {quantity} of the {product} in the cart.
Cart: {quantity} of the {product}, please.
I take {quantity} of the {product}. Into the cart with them.
My cart should have {quantity} of the {product}.
Let me buy {quantity} of the {product}. Use the cart.
The {product} goes into my cart, {quantity} of it.
Please add to the cart: {product}. How many: {quantity}.
I need {quantity} of the {product}, so put them in my cart.
{quantity} of the {product} for my cart.
Buy {quantity} of the {product}: add them to the cart.
Place {quantity} of the {product} in my cart, please.
Get me {quantity} of the {product} into the cart.
I am buying {quantity} of the {product}. Add it to the cart.
Fill my cart with {quantity} of the {product}.
"""

MORE_FULL_TEXT = """
get_weather
Weather report for {city}, {unit}.
I would like to know how warm {city} is, in {unit}.
Task: weather. City: {city}. Unit: {unit}
Could you give me the forecast for {city}? I read {unit}.
Let me know the weather in {city} and use {unit} for it.
How cold is {city} today in {unit}?
{city}, {unit}: what is the weather there?
Please look up the weather of {city} with the unit {unit}.
I am in {city} and think in {unit}. How is the weather?
Tell me how warm {city} is. My unit is {unit}.
In {unit}, please: the weather in {city} today.
What do I wear in {city}? Give the weather in {unit}.
refund_order
Task: refund. Order: {order_id}. Amount: {amount} dollars
I would like to get {amount} dollars of order {order_id} back.
Could you pay me back {amount} dollars for order {order_id}?
Part of order {order_id} was bad. Refund {amount} dollars of it.
{amount} dollars from order {order_id} should come back to me.
Of what I paid for {order_id}, please return {amount} dollars.
Let me have a refund of {amount} dollars on {order_id}.
Money back for {order_id}: {amount} dollars
Order {order_id} cost too much. Please give back {amount} dollars.
Return {amount} dollars of order {order_id}, please.
Pay back just {amount} dollars for {order_id}.
You owe me {amount} dollars for order {order_id}. Refund them.
cancel_order
Task: cancel. Order: {order_id}. Reason: {reason}
I would like to cancel {order_id} since it is {reason}.
Could you call off order {order_id}? It is {reason}.
Cancellation of order {order_id}, reason {reason}.
I want {order_id} cancelled, as the order is {reason}.
Order {order_id} turned out to be {reason}, so please cancel it.
Do not send {order_id}. Give {reason} as the reason and cancel.
It is {reason}, so stop order {order_id} for me.
Drop order {order_id}: {reason}.
Order {order_id} must be cancelled, it is {reason}.
Please note {reason} as the reason and cancel order {order_id}.
send_email
Task: email. To: {to}. Subject: {subject}. {urgent}.
I would like to mail {to} on {subject}. {urgent}.
Could you send an email about {subject} to {to}? {urgent}.
{urgent}. Please mail {to}, with the subject "{subject}".
Let {to} have an email with the subject {subject}. {urgent}.
My email to {to} has the subject "{subject}". {urgent}. Please send it.
New email for {to}, subject line {subject}. {urgent}.
Get an email off to {to}. {urgent}. Its subject is {subject}.
The subject is {subject}, the email goes to {to}. {urgent}.
Drop {to} an email about {subject}. {urgent}.
Email for {to}, the subject is "{subject}". {urgent}.
It is about {subject}. Please email {to}. {urgent}.
search_articles
Task: search articles. Query: {query}. Limit: {limit}
I would like {limit} articles that are about {query}.
Could you look up {query} in the articles? Stop at {limit}.
Let me see up to {limit} articles about {query}.
No more than {limit} articles, please. The topic is {query}.
My topic is {query}. Get me {limit} articles on it.
Use the article search for {query} and return {limit}.
What are {limit} good articles on {query}?
{query}, {limit} articles, please.
Show {limit} articles that tell me more on {query}.
Dig out {limit} articles about {query}.
Get articles for the search words {query}, {limit} of them.
create_event
Task: event. {title}, {date}, {time}, length {minutes} minutes
Could you save {title} in my calendar? {date}, {time}, for {minutes} minutes.
{title} starts at {time} on {date} and lasts {minutes} minutes. Put it in the calendar.
On {date} at {time} I need {minutes} minutes for {title}. Make a calendar event.
I would like a {minutes} minute calendar event on {date} at {time}: {title}.
Block {minutes} minutes from {time} on {date} in my calendar for {title}.
Date: {date}. Time: {time}. Minutes: {minutes}. Event: {title}.
Let my calendar show {title} on {date} at {time} for {minutes} minutes.
Schedule {title} for {date} at {time}, {minutes} minutes.
Set up {title} on {date}, {time}. It will take {minutes} minutes.
We meet for {title} on {date} at {time} for {minutes} minutes. Add the event.
check_stock
Task: stock check. Product: {product}. City: {city}
I would like to know how many of the {product} are left in {city}.
Could you see whether {city} still has the {product}?
Have we run out of the {product} in {city}?
{city}: is there any {product} left?
A customer in {city} wants the {product}. Do we have any there?
Let me know the {product} stock level in {city}.
Does our {city} shop have the {product}?
Is the {product} sold out in {city}?
Are there still some of the {product} in {city}?
Look up what our store in {city} has of the {product}.
I want to buy the {product} in {city}. Is it there?
book_table
Task: table booking. {restaurant}, {people} people, {time}, {outside}
We want to sit {outside} at {restaurant} at {time}, {people} of us. Book it.
Could you reserve a table {outside} at {restaurant}? {time}, {people} people.
At {time}, {people} people want to eat {outside} at {restaurant}. Please book.
{restaurant}, {time}, table {outside} for {people}
Let us have a table for {people} at {restaurant} at {time}, and {outside}.
I need seats {outside} for {people} at {restaurant} at {time}.
Dinner {outside} at {restaurant} at {time} for {people}. Please reserve.
Make a booking {outside}: {restaurant}, {people} people, {time}.
I would like a table {outside} at {restaurant} for {people}, at {time}.
We will be {people} at {restaurant} around {time}, {outside}. Get a table.
find_route
Task: route. From: {start}. To: {end}. By: {mode}
I would like to travel from {start} to {end} by {mode}. Which way is it?
Could you tell me how to reach {end} from {start} by {mode}?
By {mode}, how do we get to {end} from {start}?
I go by {mode}. Find my route from {start} to {end}.
My {mode} trip goes from {start} to {end}. Please look for a route.
Directions from {start} to {end} by {mode}, please.
Route {start} to {end}, {mode}?
Let me know the way to {end} by {mode}, starting in {start}.
Guide me from {start} to {end}. I travel by {mode}.
Find the best way by {mode} between {start} and {end}.
Take me to {end} from {start} by {mode}.
add_to_cart
Task: cart. {product}, quantity {quantity}, {gift}
I would like {quantity} of the {product} in the cart, {gift}.
Could you lay {quantity} of the {product} into the cart, {gift}?
Cart: {quantity} of the {product}, {gift}, please.
I take {quantity} of the {product}, {gift}. Into the cart with them.
My cart should have {quantity} of the {product}, {gift}.
Let me buy {quantity} of the {product} {gift}. Use the cart.
The {product} goes into my cart {gift}, {quantity} of it.
Please add to the cart, {gift}: {quantity} of the {product}.
{quantity} of the {product} for my cart, {gift}.
Place {quantity} of the {product} in my cart, {gift}, please.
Buy {quantity} of the {product}, {gift}: add them to the cart.
"""
