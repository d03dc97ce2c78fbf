"""What customers of a car dealer ask for, and the pieces of their sentences."""

PHRASES = """
[search]
Do you have {car}?
I am looking for {car}.
Is there {car} in stock?
Can you find me {car}?
We need {car}. What do you have?
Show me {car}, please.
My wife would like {car}.
Please search for {car}.
Any chance of {car}?
I am interested in {car}. Is there one?
Which offers do you have for {car}?
~Could you check whether there is {car}?
~Our family wants {car}. Anything available?
~Have you got {car} at the moment?
~I would like to buy {car}.
~Let us see if you can offer {car}.
~Please look for {car} in your stock.

[part.price]
below {price}
up to {price}
for at most {price}
under {price}
~for no more than {price}
~costing at most {price}

[part.km]
with at most {km}
with less than {km}
with up to {km}
~with no more than {km}
~with {km} or less

[part.automatic]
with automatic gearbox
as an automatic
~with automatic transmission

[fix.price]
up to {price}
at most {price}

[details]
Tell me more about {car}.
Can you show me the details of {car}?
What do you know about {car}?
More information on {car}, please.
I would like to know more about {car}.
Could I see the data of {car}?
How old is {car}?
What colour is {car}?
How many kilometres has {car} done?
I like {car}. What can you tell me?
~Give me the full details of {car}.
~Any further information about {car}?
~What year is {car}?
~I want to hear more about {car}.
~Please describe {car} to me.

[details.two]
Tell me more about {car} and {other}.
Can you show me the details of {car} and {other}?
Compare {car} with {other}, please.
What do you know about {car} and {other}?
I would like to know more about {car} and also {other}.
Details of {car} and {other}, please.
~Give me the full details of {car} and {other}.
~I hesitate between {car} and {other}. Describe them, please.
~Please describe both {car} and {other}.

[vague_car]
the car on your website
the car from your advert
the car I saw online
the car in your window
~the car on your page
~the car from the newspaper

[book]
Can I test drive {car} {when}? {who}
I would like a test drive with {car} {when}. {who}
Please book a test drive with {car} {when}. {who}
We want to test drive {car} {when}. {who}
Could I drive {car} {when}? {who}
Is a test drive with {car} possible {when}? {who}
Put me down for a test drive of {car} {when}. {who}
I want to come and drive {car} {when}. {who}
Let us book a test drive of {car} {when}. {who}
I like {car}, so a test drive {when} please. {who}
~May I try {car} out {when}? {who}
~Please arrange a test drive in {car} {when}. {who}
~I would love to take {car} for a drive {when}. {who}
~Could you plan a test drive with {car} {when}? {who}
~Sign me up to drive {car} {when}. {who}

[when.both]
on {day} at {time}
next {day} at {time}
on {day}, {time}
~at {time} on {day}
~this {day} at {time}

[when.day]
on {day}
next {day}
~this coming {day}

[when.time]
at {time}
~at {time} sharp

[who]
My name is {name}.
I am {name}.
The name is {name}.
It is for {name}.
Name: {name}.
Please note the name {name}.
~Book it under {name}.
~You can write {name}.
~This is {name}.

[move]
Please move my test drive {booking} to {new}.
Can I change test drive {booking} to {new}?
I cannot come, could you move {booking} to {new}?
My test drive is {booking}. Is {new} possible instead?
I need another slot for {booking}: {new}.
Something came up. Please put {booking} on {new}.
I have to shift my booking {booking} to {new}.
Could we meet {new} instead? My booking is {booking}.
~Booking {booking} does not suit me any more, {new} would be better.
~Would it be possible to move {booking} to {new}?
~I have test drive {booking} but need {new} now.
~Please shift {booking} to {new} for me.

[trade]
What is my {model} {facts} worth?
I want to trade in my {model} {facts}.
How much do I get for my {model} {facts}?
Please value my {model} {facts}.
Would you take my {model} {facts} in exchange?
What would you pay for my {model} {facts}?
My old {model} {facts} has to go. What do I get?
Could you estimate my {model} {facts}?
I have a car to trade in, a {model} {facts}.
What is the value of our {model} {facts}?
~What could I get for my {model} {facts}?
~I would like a price for my old {model} {facts}.
~Give me a value for my {model} {facts}, please.
~Do you buy old cars? Mine is a {model} {facts}.
~We would like to sell you our {model} {facts}.

[fact.year]
from {year}
of {year}
, built in {year},
~, year {year},
~, first registered in {year},

[fact.km]
with {km}
, {km},
that has done {km}
~, {km} on the clock,
~which has {km}

[fact.condition]
in {condition} condition
, condition {condition},
~, overall condition {condition},

[leasing]
What would {car} cost on a lease {terms}?
How much is the leasing for {car} {terms}?
Calculate the leasing of {car} {terms}, please.
I want to lease {car} {terms}.
Can I get a leasing offer for {car} {terms}?
What is the monthly rate for {car} {terms}?
We would lease {car} {terms}. How much is that?
Please work out a lease for {car} {terms}.
Leasing {car} {terms}: what do I pay?
The leasing rate of {car} {terms}, please.
~How much would I pay each month for {car} {terms}?
~Could I lease {car} {terms}?
~Make me a leasing offer for {car} {terms}.
~What about leasing {car} {terms}?
~I am thinking of leasing {car} {terms}. What is the rate?

[leasing.two]
What would {car} cost on a lease over {a} and over {b} months?
Calculate the leasing of {car} over {a} and {b} months, please.
I want to compare leasing {car} over {a} or {b} months.
How much is the leasing for {car} over {a} months and over {b} months?
~Could I lease {car} over {a} months, and what about {b} months?
~Make me two leasing offers for {car}: {a} months and {b} months.

[part.months]
over {months} months
for {months} months
~during {months} months

[part.down]
with a down payment of {price}
with {price} down
~paying {price} at the start

[part.interest]
at {interest} %
at {interest} percent
~with {interest} % interest

[fix.down]
a down payment of {price}
{price} down

[reserve]
Please hold {car} for me {until}.
Can you reserve {car} for me {until}?
I would like to reserve {car} {until}.
Keep {car} for us {until}, please.
Could you put {car} aside {until}?
We want {car} reserved {until}.
Is it possible to reserve {car} {until}?
Please do not sell {car} to anybody else {until}.
I would like you to keep {car} for me {until}.
~Could you keep {car} free for me {until}?
~Save {car} for us {until}, please.
~Would you hold {car} for my husband {until}?
~May we have {car} reserved {until}?
~Put a reservation on {car} {until}, please.

[until]
until {date}
till {date}
~up to {date}

[extras]
Please add {items} to {car}.
I would like {items} for {car}.
Can you order {items} for {car}?
We need {items} for {car}.
Order {items} for {car}, please.
Could {car} come with {items}?
I would take {car} with {items}. Please order that.
For {car} I want {items}.
Is it possible to get {items} for {car}?
We also want {items} on {car}.
~Please equip {car} with {items}.
~May I have {items} with {car}?
~Put {items} on {car}, please.
~My wish for {car}: {items}.
~Could you get me {items} for {car}?

[extras.vague]
I would like some extras for {car}.
Can I order accessories for {car}?
We need some equipment for {car}.
Please add some extras to {car}.
Is it possible to order extras for {car}?
~May I have extras with {car}?
~Could you get me a few accessories for {car}?
~Please equip {car} a bit better.

[branches]
Where are you located?
Where can I find you?
Which branches do you have?
Do you have a garage near {town}?
What are your addresses?
Where is your showroom?
Is there a branch in {town}?
List your branches, please.
In which towns are you?
How do I find you?
~Where can I visit you?
~Where is your nearest branch?
~Please show me all your addresses.
~In which places do you have a garage?
~Are you anywhere near {town}?

[out_of_scope.car]
Do you also sell motorbikes?
Can you repair my bicycle?
I had an accident, which lawyer should I take?
Can you send me a tow truck?
Do you rent out camper vans?
Where do I renew my driving licence?
My parking ticket is wrong, can you cancel it?
How do I pass the driving test?
Can you tell me the price of petrol today?
Do you sell boats?
Are you hiring mechanics?
What is the traffic like on the motorway to {town}?
~Do you have scooters for children?
~Can you help me with a speeding fine?
~I lost my driving licence, can you print a new one?
~Do you also buy tractors?
~Could you pick up my daughter in {town}?
~How much does a motorway vignette cost?
~Is there a free parking space in {town}?

[extras_and_reserve]
Please order {items} for {car} and hold it {until}.
I would like {items} for {car}, and keep it for me {until}.
Can you reserve {car} {until} and add {items}?
We need {items} for {car}. Also reserve it {until}.
Order {items} for {car} and put it aside {until}, please.
~Please equip {car} with {items} and save it for us {until}.
~May I have {items} with {car}, and would you hold it {until}?
~Could you keep {car} free for me {until} and get me {items} for it?

[branches_and_search]
Where are you located, and do you have {car}?
What are your addresses? I am also looking for {car}.
Which branches do you have? And is there {car} in stock?
Do you have {car}? And where can I find you?
~Where can I visit you, and have you got {car}?
~I would like to buy {car}. In which places do you have a garage?
~Please show me all your addresses and look for {car}.
"""
