"""What customers of an insurer ask for, and the pieces of their sentences."""

PHRASES = """
[policies]
Which policies do I have?
Please list my policies.
What am I insured for with you?
Can you show me all my policies?
I lost track of my policies. Which ones are there?
Which insurance do I have with you?
Could I see a list of my policies?
How many policies do we have?
Give me an overview of my policies, please.
What are my policy numbers?
~Show me what I have insured, please.
~I forgot my policy numbers. Can you list them?
~Do I have any policies with you?
~An overview of all our policies, please.
~Could you tell me which policies are in my name?

[quote]
How much is {product} insurance {terms}?
I need {product} insurance {terms}.
What would {product} insurance {terms} cost?
Can I get an offer for {product} insurance {terms}?
Please quote {product} insurance {terms}.
We want new {product} insurance {terms}. What is the price?
Could you calculate {product} insurance {terms}?
I would like an offer for {product} insurance {terms}.
What is the premium for {product} insurance {terms}?
Give me a price for {product} insurance {terms}, please.
~How expensive is {product} insurance {terms}?
~I am thinking of {product} insurance {terms}. What would I pay?
~Make me an offer for {product} insurance {terms}.
~Please tell me the premium of {product} insurance {terms}.
~What do you charge for {product} insurance {terms}?

[quote.two]
How much is {product} insurance {terms}, and {other} insurance {other_terms}?
Please quote {product} insurance {terms} and {other} insurance {other_terms}.
I need {product} insurance {terms} and also {other} insurance {other_terms}.
What would {product} insurance {terms} cost? And {other} insurance {other_terms}?
~Make me an offer for {product} insurance {terms} and for {other} insurance {other_terms}.
~What do you charge for {product} insurance {terms} and for {other} insurance {other_terms}?

[part.sum]
for {price}
with a sum of {price}
insured for {price}
over {price}
~covering {price}
~up to {price}

[part.deductible]
with a deductible of {price}
and a deductible of {price}
with {price} deductible
~where I pay the first {price} as deductible
~at a deductible of {price}

[fix.sum]
a sum of {price}
{price} as the sum

[fix.deductible]
a deductible of {price}
{price} deductible

[vague_policy]
my policy
our policy
my insurance policy
one of my policies
my current policy
~my old policy
~the policy of our family

[claim]
I have to report {cause} {facts} on {policy}. {after}
There was {cause} {facts}. It concerns {policy}. {after}
Please record {cause} {facts} on {policy}. {after}
I want to file a claim for {cause} {facts} on {policy}. {after}
We had {cause} {facts}. Please put it on {policy}. {after}
Can I report {cause} {facts} on {policy}? {after}
Bad luck: {cause} {facts}. Please open a claim on {policy}. {after}
New claim on {policy}: {cause} {facts}. {after}
I would like to report {cause} {facts} for {policy}. {after}
Unfortunately we had {cause} {facts}. That is for {policy}. {after}
~Please open a case for {cause} {facts} on {policy}. {after}
~I must tell you about {cause} {facts}. It falls under {policy}. {after}
~Could you note {cause} {facts} on {policy}? {after}
~Something bad happened: {cause} {facts}. Use {policy}, please. {after}
~My claim for {policy}: {cause} {facts}. {after}

[cause.theft]
a theft

[cause.fire]
a fire

[cause.water]
water damage

[cause.storm]
storm damage

[cause.collision]
a collision

[cause.unknown]
some damage

[fact.date]
on {date}
of {date}
~dated {date}

[fact.place]
in {town}
here in {town}
~near {town}

[claim.item]
It concerns the {item}.
It is about the {item}.
Only the {item} was hit.
The {item} was affected.
~We are talking about the {item}.
~That concerns my {item}.

[claim.amount]
The damage is {price}.
It will cost {price}.
That makes {price}.
The bill says {price}.
~Repairing it costs {price}.
~I estimate {price}.

[claim.police]
The police have a report.
I called the police.
The police were there.
~I have a police report too.
~We told the police about it.

[status]
What is the status of {claim}?
How far are you with {claim}?
Is there any news about {claim}?
Can you check {claim} for me?
Has {claim} been paid?
I am waiting for an answer on {claim}.
Please look up {claim}.
When do I get the money for {claim}?
Did you receive {claim}?
What is happening with {claim}?
~How is {claim} going?
~Could you tell me where {claim} stands?
~Any progress on {claim}?
~Was {claim} accepted?
~I still wait for money from {claim}.

[status.two]
What is the status of {claim} and {other}?
Can you check {claim} and {other} for me?
Is there any news about {claim} and {other}?
Please look up {claim} and also {other}.
~Could you tell me where {claim} and {other} stand?
~How are {claim} and {other} going?

[vague_claim]
my claim
our claim
the claim I sent you
the damage I reported
~the claim of my husband
~my last claim

[claim.number]
claim {id}
{id}
my claim {id}

[claim.new]
that claim
the claim
my new claim
~this new claim

[address]
We are moving to {address} {from_date}.
My new address is {address} {from_date}.
Please change my address to {address} {from_date}.
I moved. It is now {address} {from_date}.
Can you update my address? {address} {from_date}.
Our address changes to {address} {from_date}.
I live at {address} {from_date}. Please correct that.
Please send my letters to {address} {from_date}.
Could you note my new home: {address} {from_date}?
We have a new flat at {address} {from_date}. Please record it.
~You can reach me at {address} {from_date}. Please update that.
~Our new home is at {address} {from_date}.
~Please write down a new address for me: {address} {from_date}.
~I changed my flat: {address} {from_date}.
~My family lives at {address} {from_date}. Can you change it?

[from_date]
from {date}
as of {date}
starting {date}
~beginning {date}

[driver]
Please add {name} {born} as a driver to {policy}.
My cousin {name} {born} will drive too. Please add that to {policy}.
My partner {name} {born} should be a driver on {policy}.
Can {name} {born} drive with {policy}?
I want {name} {born} as a second driver on {policy}.
Another driver for {policy}: {name} {born}.
My neighbour {name} {born} also drives. Put that on {policy}, please.
Could you add the driver {name} {born} to {policy}?
We need {name} {born} insured as a driver on {policy}.
Somebody else drives now: {name} {born}. Please add that to {policy}.
~Please put {name} {born} on {policy} as a driver.
~My friend {name} {born} drives now as well. Can you add this driver to {policy}?
~Is it possible to add {name} {born} to {policy} as a driver?
~There is a new driver for {policy}: {name} {born}.
~{name} {born} will use the car too. Please note this driver on {policy}.

[born]
, born on {date},
, born {date},
(born {date})
~, date of birth {date},
~, birthday {date},

[coverage]
Please add {options} cover to {policy}.
I would like {options} cover on {policy}.
Can you add {options} cover to {policy}?
We need {options} cover for {policy}.
Include {options} cover in {policy}, please.
Could {policy} also have {options} cover?
I want to extend {policy} with {options} cover.
Is {options} cover possible on {policy}? Then add it.
For {policy} I want {options} cover.
~Please put {options} cover on {policy}.
~May I have {options} cover with {policy}?
~My wish for {policy}: {options} cover.
~Could you extend {policy} by {options} cover?
~I also need {options} cover in {policy}.

[coverage.vague]
I would like more cover on {policy}.
Can I extend {policy}?
We need some more options for {policy}.
Please add more cover to {policy}.
Is it possible to add options to {policy}?
~Could you extend {policy} a bit?
~May I have more cover with {policy}?
~I also need a few options in {policy}.

[coverage_and_driver]
Please add {options} cover to {policy}, and also {name} {born} as a driver.
I would like {options} cover on {policy}. My partner {name} {born} should be a driver there too.
Two changes for {policy}: {options} cover, and {name} {born} as a driver.
We need {options} cover for {policy}, and {name} {born} will drive too.
~Please put {options} cover on {policy}, and note {name} {born} as a new driver.
~May I have {options} cover with {policy}? And my friend {name} {born} drives as well now.

[cancel]
Please cancel {policy} {end} {reason}.
I want to end {policy} {end} {reason}.
Can I terminate {policy} {end} {reason}?
We would like to cancel {policy} {end} {reason}.
I no longer need {policy}. Cancel it {end} {reason}, please.
Please close {policy} {end} {reason}.
Could you end {policy} {end} {reason}?
I hereby cancel {policy} {end} {reason}.
We want to get out of {policy} {end} {reason}.
~I want {policy} to stop {end} {reason}.
~I would like to stop {policy} {end} {reason}.
~Is it possible to terminate {policy} {end} {reason}?
~Please let us leave {policy} {end} {reason}.
~We do not need {policy} any more. Please stop it {end} {reason}.

[end]
on {date}
as of {date}
by {date}
per {date}
~with effect of {date}
~at {date}

[reason.sold]
because I sold the car
because the car is sold
, the car has been sold
~since we sold the car

[reason.moved]
because we moved
because we have moved away
, I have moved
~since I moved abroad

[reason.price]
because of the price
because the price is too high
, the price is too much for me
~since I do not like the price

[policies_and_status]
Which policies do I have, and what is the status of {claim}?
Please list my policies and look up {claim}.
Can you show me all my policies? And is there any news about {claim}?
~Do I have other policies with you, and how is {claim} going?
~An overview of our policies, please, and tell me where {claim} stands.

[out_of_scope.insurance]
Can you open a bank account for me?
I need a lawyer for my divorce.
Which pension fund is the best?
Can you lend me some money?
Do you sell used cars?
Can you call my neighbour about the noise?
Please book an appointment with my doctor.
How do I pay less tax?
Can you find me a cheaper mortgage?
Is the swimming pool in {town} open?
My landlord is rude. What are my rights?
Can you recommend a plumber in {town}?
~I want to buy some gold. Where can I do that?
~Do you exchange francs for euros?
~My passport has expired, can you renew it?
~Can you recommend a painter in {town}?
~What is the best school in {town}?
~Could you repair my roof?
~Is the post office in {town} open today?
"""
