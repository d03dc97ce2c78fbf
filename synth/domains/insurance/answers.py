"""What the assistant of an insurer says, and what customers answer when it asks."""

PHRASES = """
[ask.policy]
What is the number of the policy?
Which policy? Please give me its number.

[ask.claim]
What is the claim number?
Please give me the number of the claim.

[ask.date]
On which date did it happen?
When did that happen?

[ask.cause]
What was the cause of the damage?
What happened exactly?

[ask.sum]
What sum should be insured?
For which sum shall I calculate?

[ask.postcode]
What is the postcode?
Which postcode is that?

[ask.street]
What are the street and number?
In which street, please?

[ask.born]
What is the date of birth?
When was the driver born?

[ask.options]
Which cover would you like to add?
Which options shall I add?

[ask.end]
From which date should it end?
On which date shall it end?

[give.policy]
It is {value}.
The number is {value}.
{value}, please.
Policy {value}.
I mean {value}.
It says {value} on the paper.
The one with number {value}.
{value}.
~That is {value}.
~The letter says {value}.
~I think it is {value}.
~Number {value}, thanks.

[give.claim]
It is {value}.
The claim number is {value}.
{value}, please.
Claim {value}.
Your letter says {value}.
{value}.
Sure, {value}.
The number is {value}.
~That is {value}.
~I think it is {value}.
~You gave me {value}.
~Number {value}, thanks.

[give.date]
On {value}.
It was on {value}.
That happened on {value}.
{value}.
It was {value}, in the evening.
I noticed it on {value}.
Sorry, on {value}.
{value}, I believe.
~Last seen fine before {value}, so {value}.
~The date was {value}.
~{value}, during the night.
~We found it on {value}.

[give.cause]
It was {value}.
{value}.
The cause was {value}.
We had {value}.
Sadly it was {value}.
{value}, I believe.
~That was {value}.
~I would say {value}.
~They told me it was {value}.

[give.sum]
{value}.
{value}, please.
For {value}.
About {value}.
Let us take {value}.
I think {value} is enough.
A sum of {value}.
~{value} should do.
~I would say {value}.
~Something like {value}.

[give.postcode]
{value}.
It is {value}.
The postcode is {value}.
{value}, sorry.
That would be {value}.
Sure, {value}.
~My postcode is {value}.
~I think {value}.
~Oh right, {value}.

[give.street]
{value}.
It is {value}.
At {value}.
The street is {value}.
Sorry, {value}.
We live at {value}.
~I forgot: {value}.
~Our house is at {value}.
~Please write {value}.

[give.born]
{value}.
Born on {value}.
The date of birth is {value}.
It is {value}.
On {value}.
The birthday is {value}.
~That was {value}.
~Date of birth: {value}.
~The passport says {value}.

[give.options]
{value} cover, please.
{value} cover.
I need {value} cover.
Just {value} cover.
I was thinking of {value} cover.
Let us take {value} cover.
~It should have {value} cover.
~I would love {value} cover.
~Only {value} cover, thanks.

[give.end]
On {value}.
{value}, please.
As of {value}.
It should end on {value}.
{value} would be good.
By {value}, please.
~The end should be {value}.
~Best on {value}.
~I would say {value}.

[reply.policies]
You have {policies}.
Your policies: {policies}.

[reply.quote]
That would cost CHF {premium} a year.
The premium is CHF {premium} a year.

[reply.quote.two]
That is CHF {premium} for {product} and CHF {other_premium} for {other}.
{product}: CHF {premium}, {other}: CHF {other_premium} a year.

[reply.claim]
I am sorry. Your claim has the number {claim}.
Your claim {claim} is open, we will call you.

[reply.status.open]
We are still looking at {claim}.
{claim} is still open.

[reply.status.approved]
{claim} is approved, we pay CHF {payout}.
Good news: CHF {payout} for {claim}.

[reply.status.rejected]
Unfortunately {claim} was rejected.
I am sorry, {claim} was rejected.

[reply.status.two]
{claim} is {status}, and {other} is {other_status}.
{claim}: {status}. {other}: {other_status}.

[reply.policies.status]
You have {policies}. {claim} is {status}.
Your policies: {policies}. Claim {claim} is {status}.

[reply.address]
Your new address in {town} is recorded.
Thank you, I have noted {town}.

[reply.driver]
{name} is now insured as a driver.
Done, {name} may drive.

[reply.coverage]
Added, that costs CHF {premium} more a year.
Done, it adds CHF {premium} a year.

[reply.coverage.driver]
Both done: {name} may drive, the cover costs CHF {premium}.
Added for CHF {premium} a year, and {name} may drive.

[reply.cancel]
The policy ends on {date}.
Your policy {policy} ends on {date}.

[answer.out_of_scope]
Sorry, I can only help with your insurance.
I am afraid that is not something we do here.
"""
