"""Phrases that both domains use: greetings, small talk, corrections, requests that nobody here can serve."""

PHRASES = """
[hello]
Grüezi.
Hello.
Good morning.
Hi there.
Bonjour.
Buongiorno.
Salut!
Hi!
~Good afternoon.
~Hoi.
~Guten Tag.

[talk.start]
Grüezi! Is anybody there?
Good morning, are you a real person?
Hello, how are you today?
Hi! I hope you had a nice weekend.
Hoi zäme, what a beautiful day.
Bonjour, do you speak English?
Hello, may I ask you something?
Good evening, I am glad you are still there.
Hello hello, first time I write to a chat.
Hi, am I in the right place?
~Guten Tag, is this a robot?
~Good afternoon, how is your day?
~Hello! Nice to meet you.
~Hi, I have a few questions.
~Salut, can I write to you in English?
~Good morning, are you already awake?

[talk.middle]
Thanks, that was quick.
Great, one moment please.
Okay, I have to think about that.
Ah, good to know.
Perfect, thank you very much.
Sorry, my English is not so good.
You are really helpful, you know that?
One second, my daughter is calling.
Merci vielmal!
Good, I understand.
Wait, I am looking for my glasses.
Haha, I am writing this on the train.
~Thank you, that is kind.
~Fine, let me think for a moment.
~Wonderful, you are fast.
~Sorry, the dog was barking.
~Okay, that helps me a lot.
~One moment, I need a coffee first.
~Super, thanks a lot.

[talk.end]
Thanks, that is all for today.
Merci, have a nice day!
Great, thank you and goodbye.
Perfect, then I know enough.
Thank you for your help.
Good, I will think about it.
Okay, bye!
That was all, thank you.
Ade merci!
Thanks a lot, see you soon.
~Thank you, have a lovely evening.
~Wonderful, that is everything.
~Many thanks, until next time.
~Great service, thanks!
~Okay, no more questions.
~Merci, goodbye and a nice weekend.

[answer.talk.start]
Hello! How can I help you?
Welcome! What can I do for you?

[answer.talk.middle]
Of course. What else can I do?
With pleasure, take your time.

[answer.talk.end]
You are welcome. Goodbye!
My pleasure, have a nice day!

[out_of_scope]
What is the weather like in {town}?
Can you order me a pizza?
When does the next train to {town} leave?
Could you book me a hotel in {town}?
Who won the football match yesterday?
Please write a poem for my mother.
What is the capital of Portugal?
Can you help me with my tax return?
Do you know a good restaurant in {town}?
Translate this letter into French, please.
Can you recommend a doctor in {town}?
How do I cook a good risotto?
I need a new phone contract.
Find me a flat in {town}, please.
Which shares should I buy?
Can you play some music?
What do you think about the elections?
My computer is broken, can you fix it?
~Will it rain in {town} this weekend?
~Please reserve a table for dinner in {town}.
~Can you tell me a joke?
~How do I get a visa for Japan?
~Is there a good dentist in {town}?
~Could you help my son with his maths homework?
~What time is the last bus to {town}?
~Who is the president of France?
~Please buy me two cinema tickets.
~I need a recipe for a chocolate cake.

[fix]
No, {new} please.
Sorry, I meant {new}.
Make that {new}.
Oh no, {new} instead.
Actually, {new} is better.
Sorry, rather {new}.
My mistake: {new}.
Wait, it should be {new}.
Can we change that to {new}?
No no, {new}!
Excuse me, {new} of course.
~Hmm, {new} instead, please.
~Could you make it {new}?
~Pardon, I wanted {new}.
~Not quite, {new} please.
~I was wrong, {new} please.
~Change it to {new}, please.

"""
