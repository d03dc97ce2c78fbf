"""What the assistant of a car dealer says, and what customers answer when it asks."""

PHRASES = """
[ask.car]
Which car? Please give me its number.
What is the number of the car?

[ask.day]
On which day would you like to come?
Which day suits you?

[ask.time]
At what time would you like to come?
What time suits you?

[ask.when]
When would you like to come?
Which day and time suit you?

[ask.name]
Under which name may I book?
May I have your name?

[ask.year]
From which year is your car?
In which year was it built?

[ask.km]
How many kilometres has it done?
What is the mileage?

[ask.months]
Over how many months?
How many months shall I calculate?

[ask.until]
Until which date?
Until when shall I hold it?

[ask.items]
Which extras would you like?
What shall I order?

[reply.search.none]
Sorry, we have nothing like that now.
Nothing like that is in stock, I am afraid.

[reply.search.one]
We have one: {cars}.
I found {cars}.

[reply.search.many]
We have {cars}.
I found these: {cars}.

[reply.details]
The {model} is {colour}, from {year}, and has {km}.
It is a {colour} {model} from {year} with {km}.

[reply.details.two]
The {model} has {km}, the {other} {other_km}.
{model}: {km}. {other}: {other_km}.

[reply.book]
Your test drive {booking} is on {day} at {time}.
Booked: {day} at {time}, number {booking}.

[reply.move]
Done, your test drive {booking} has been moved.
I have moved test drive {booking} for you.

[reply.trade]
We would pay you about CHF {value}.
Your car is worth around CHF {value}.

[reply.leasing]
That makes CHF {rate} a month.
The lease costs CHF {rate} a month.

[reply.leasing.two]
{a} months: CHF {rate}. {b} months: CHF {other}.
CHF {rate} over {a} months, CHF {other} over {b}.

[reply.reserve]
The car is reserved for you until {date}.
We hold it for you until {date}.

[reply.extras]
Ordered, the extras cost CHF {price}.
Done, that adds CHF {price}.

[reply.extras.reserve]
Ordered for CHF {price}, and reserved until {date}.
The extras cost CHF {price}; the car is held until {date}.

[reply.branches]
You find us in {towns}.
Our branches are in {towns}.

[reply.branches.search]
We are in {towns}, and we have {cars}.
You find us in {towns}. In stock: {cars}.

[answer.out_of_scope]
Sorry, I can only help with our cars.
I am afraid that is not something we do here.

[give.car]
It is {value}.
The number is {value}.
{value}, please.
Car {value}.
I mean {value}.
It says {value} on your website.
The one with number {value}.
{value}.
~That is {value}.
~The advert says {value}.
~I think it is {value}.
~Number {value}, thanks.

[give.day]
{value} please.
{value} would suit me.
On {value}.
{value} is fine.
Let us say {value}.
I am free on {value}.
{value}, if possible.
Any time on {value}.
~{value} works for me.
~We could come on {value}.
~Best on {value}.
~How about {value}?

[give.time]
{value} please.
At {value}.
{value} would be perfect.
I can be there at {value}.
Let us say {value}.
{value}, if possible.
After work, so {value}.
{value} is good.
~{value} works for me.
~How about {value}?
~I could come at {value}.
~Best at {value}.

[give.when]
{value} please.
Would {value} be possible?
Let us say {value}.
{value} would suit me.
I could come {value}.
{value}, if that is free.
~Best would be {value}.
~How about {value}?
~{value} works for us.

[give.name]
{value}.
My name is {value}.
I am {value}.
{value}, thanks.
It is for {value}.
Sure, {value}.
Please write {value}.
That would be {value}.
~Just put {value}.
~Of course: {value}.
~They call me {value}.
~On {value}, please.

[give.year]
It is from {value}.
{value}.
Built in {value}.
I bought it new in {value}.
{value}, I think.
From {value}.
~Its year is {value}.
~The papers say {value}.
~That was in {value}.

[give.km]
It has {value}.
{value}.
About {value}.
{value} so far.
It has done {value}.
The display says {value}.
~Now it has {value}.
~I see {value} on the clock.
~Roughly {value}.

[give.months]
{value} months.
Over {value} months, please.
Let us take {value} months.
{value} months would be good.
Please calculate {value} months.
For {value} months.
~{value} months, I think.
~What about {value} months?
~I would say {value} months.

[give.until]
Until {value}.
{value} please.
Until {value}, if possible.
{value} would be enough.
I will decide by {value}.
Till {value}, thanks.
~Until {value} at the latest.
~Please hold it until {value}.

[give.items]
{value}, please.
Just {value}.
I need {value}.
{value}.
I was thinking of {value}.
Let us take {value}.
~It should have {value}.
~I would love {value}.
~Only {value}, thanks.
"""
