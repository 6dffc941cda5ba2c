"""What people say on the phone: scenarios as data, with slots in braces that `stories` fills."""

from __future__ import annotations

from dataclasses import dataclass

Beat = tuple[tuple[str, ...], tuple[str, ...]]
"""One exchange: ways for the agent to say it, ways for the person to answer."""


@dataclass(frozen=True)
class Ending:
    """How the last exchange goes and what the analysis makes of it."""

    agent: tuple[str, ...]
    user: tuple[str, ...]
    title: str
    summary: str


@dataclass(frozen=True)
class Scenario:
    """A purpose of a call: what is talked about in order, and its three endings."""

    key: str
    beats: tuple[Beat, ...]
    success: Ending
    failure: Ending
    unknown: Ending
    tool: str | None = None


GREETINGS = (
    "Yes, hello?",
    "Yes, speaking.",
    "Hello. Yes, I have a minute.",
    "Who is this, please?",
    "Sure, go ahead.",
    "Oh, hi. What is it about?",
    "Yes, but please be quick.",
)

FILLERS: tuple[Beat, ...] = (
    (("Take your time, I am here.", "No rush at all."), ("Sorry, somebody was at the door.", "One moment... okay.")),
    (("Was that clear so far?", "Shall I repeat that?"), ("Yes, that is clear.", "Could you say that once more?")),
    (
        ("Of course: I am calling on behalf of {company}.", "Happy to explain: this is only a short service call."),
        ("Right, I see.", "Okay, thank you for explaining."),
    ),
    (
        ("Is this still the best number to reach you?", "May I keep this number on file?"),
        ("Yes, it is.", "Yes, mornings are best."),
    ),
    (
        ("Anything else that you would like to ask?", "Do you have a question about that?"),
        ("How long will it take?", "No, I think that is all.", "What does it cost?"),
    ),
    (
        ("That is a good question; I will have a colleague answer it by e-mail.", "I do not have that here, sorry."),
        ("All right, an e-mail is fine.", "Okay, no problem."),
    ),
)

_APPOINTMENT = Scenario(
    key="appointment",
    beats=(
        (
            (
                "I am calling about your appointment with {person} on {day} at {time}.",
                "You have an appointment on {day} at {time} with {person}; I would like to confirm it.",
            ),
            ("Ah yes, {day}.", "Let me check my calendar... yes.", "Was that not on {other_day}?"),
        ),
        (
            ("Does {day} at {time} still suit you?", "Will you be able to make it?"),
            ("I think so.", "It is a bit early, but okay.", "Could we do {time} on {other_day}?"),
        ),
        (
            ("Please bring your insurance card and arrive ten minutes early.", "Please have your papers with you."),
            ("Will do.", "Okay, ten minutes early.", "Which papers exactly?"),
        ),
        (
            ("Would you like a reminder by text message the day before?", "Shall we remind you the evening before?"),
            ("Yes, please.", "No, I have written it down.", "A text would be great."),
        ),
    ),
    success=Ending(
        agent=("Wonderful, you are confirmed for {day} at {time}. Goodbye!", "All set for {day}. Have a nice day!"),
        user=("Great, see you then.", "Yes, confirmed. Bye."),
        title="Appointment confirmed",
        summary="The agent called about an appointment on {day} at {time}. The person confirmed it.",
    ),
    failure=Ending(
        agent=("I understand, I have cancelled it. Goodbye.", "All right, I take the appointment out. Goodbye."),
        user=("I cannot come, please cancel it.", "No, I went somewhere else in the meantime."),
        title="Appointment cancelled",
        summary="The agent called about an appointment on {day}. The person cancelled it.",
    ),
    unknown=Ending(
        agent=("I will try again another day. Goodbye.", "Then I will call back later. Goodbye."),
        user=("I do not know yet, call me later.", "I have to ask at home first."),
        title="Appointment left open",
        summary="The agent called about an appointment on {day}. The person could not say yet and wants a call later.",
    ),
    tool="book_appointment",
)

_SURVEY = Scenario(
    key="survey",
    beats=(
        (
            (
                "I have three short questions about your last visit. Is that all right?",
                "May I ask how your last order with us went? It takes a minute.",
            ),
            ("Fine, go ahead.", "If it is short.", "Okay."),
        ),
        (
            ("From one to ten, how happy were you?", "How would you rate it, from one to ten?"),
            ("I would say {score}.", "A {score}, I think.", "Well... {score}."),
        ),
        (
            ("Thank you. What could we do better?", "What is the main reason for your {score}?"),
            ("The waiting time.", "Nothing, it was fine.", "The website is confusing.", "The staff is very kind."),
        ),
        (
            ("Would you recommend us to a friend?", "How likely would you come back?"),
            ("Yes, I would.", "Probably.", "I already did, actually."),
        ),
    ),
    success=Ending(
        agent=("Thank you very much for your time. Goodbye!", "That helps us a lot. Have a good day!"),
        user=("You are welcome. Bye.", "No problem, bye."),
        title="Survey completed",
        summary="The person answered all questions and rated the last visit {score} of 10.",
    ),
    failure=Ending(
        agent=("Of course. I am sorry for the trouble. Goodbye.", "I understand. Goodbye."),
        user=("I do not want to take part in this.", "Please stop calling me about this."),
        title="Survey declined",
        summary="The person did not want to take part in the survey.",
    ),
    unknown=Ending(
        agent=("Shall I call again tomorrow? Goodbye for now.", "Then another time. Goodbye."),
        user=("I am driving, this is a bad time.", "Somebody is at the door, sorry."),
        title="Survey interrupted",
        summary="The survey was interrupted because the time was bad; a later call was suggested.",
    ),
)

_DELIVERY = Scenario(
    key="delivery",
    beats=(
        (
            (
                "Your parcel {reference} is planned for {day} between {time} and the early afternoon.",
                "We would like to deliver order {reference} on {day}.",
            ),
            ("Oh good, I was waiting for it.", "Which order was that?", "{day}... let me think."),
        ),
        (
            ("Will somebody be at home?", "Can somebody take it in?"),
            ("My neighbour can.", "Yes, I work from home.", "Only after {time}."),
        ),
        (
            ("The lift: is there one in the house?", "Is there anything that the driver should know?"),
            ("Third floor, no lift.", "The bell does not work, please call.", "No, it is easy to find."),
        ),
        (
            ("May the driver leave it at the door?", "If nobody opens, is the door step fine?"),
            ("Rather with the neighbour.", "Yes, that is fine.", "Please not, it is a busy street."),
        ),
    ),
    success=Ending(
        agent=("Perfect, {day} it is. Goodbye!", "I have noted {day}. Thank you and goodbye!"),
        user=("Thank you, bye.", "Great, thanks."),
        title="Delivery agreed",
        summary="Delivery of order {reference} was agreed for {day}; notes for the driver were taken.",
    ),
    failure=Ending(
        agent=("Then I stop the delivery and a colleague will write to you. Goodbye.", "I will note that. Goodbye."),
        user=("I never ordered that.", "I sent that order back already."),
        title="Delivery refused",
        summary="The person does not expect order {reference}; the delivery was stopped.",
    ),
    unknown=Ending(
        agent=("We will send you a link to pick a day. Goodbye.", "I will have the driver call. Goodbye."),
        user=("I cannot tell which day yet.", "Can I decide that later?"),
        title="Delivery day open",
        summary="No day was agreed for order {reference}; the person will pick one by link.",
    ),
)

_RENEWAL = Scenario(
    key="renewal",
    beats=(
        (
            (
                "Your {product} contract ends on {day}, and I would like to offer you a renewal.",
                "I am calling because your {product} plan runs out next month.",
            ),
            ("Already?", "Yes, I saw the letter.", "What changes then?"),
        ),
        (
            ("The price stays at {amount} a month for a year.", "We can keep it at {amount} monthly."),
            ("That is okay.", "That is more than the others ask.", "Hm, {amount}."),
        ),
        (
            ("You could also switch to the larger plan.", "There is also a plan with a month's notice."),
            ("The one with a month's notice sounds good.", "No, keep it as it is.", "What is in the larger one?"),
        ),
        (
            ("I can send you the papers by e-mail today.", "Shall I send the offer in writing?"),
            ("Yes, please send it.", "By e-mail is fine.", "To my office address, please."),
        ),
    ),
    success=Ending(
        agent=("Great, I have renewed it. You will get a confirmation. Goodbye!", "It is renewed. Thank you, goodbye!"),
        user=("Yes, let us do that.", "Okay, renew it."),
        title="Contract renewed",
        summary="The person agreed to renew the {product} contract at {amount} a month.",
    ),
    failure=Ending(
        agent=("I am sorry to hear that; it will end as planned. Goodbye.", "Understood, no renewal. Goodbye."),
        user=("No, I have found something cheaper.", "I do not need it any more."),
        title="Renewal declined",
        summary="The person declined to renew the {product} contract at {amount} a month.",
    ),
    unknown=Ending(
        agent=("I will send you the offer and call next week. Goodbye.", "Think it over; goodbye for now."),
        user=("I want to think about it.", "Send it in writing, then I will see."),
        title="Renewal undecided",
        summary="The person wants to think about renewing the {product} contract and asked for a written offer.",
    ),
)

_PAYMENT = Scenario(
    key="payment",
    beats=(
        (
            (
                "Invoice {reference} over {amount} is still open. Did you receive it?",
                "I am calling about invoice {reference}, {amount}, due last week.",
            ),
            ("I thought that was paid.", "Yes, I forgot, sorry.", "I never saw that invoice."),
        ),
        (
            ("When could you make the transfer?", "Would {day} work for you?"),
            ("By {day}.", "I can do it today.", "After the first of the month."),
        ),
        (
            ("Shall I send the invoice again?", "To which address may I send a copy?"),
            ("Yes, by e-mail.", "No need, I have it here.", "Please, to the same address."),
        ),
    ),
    success=Ending(
        agent=("Thank you, I have noted payment by {day}. Goodbye!", "Perfect, then we are sorted. Goodbye!"),
        user=("Yes, I will pay by {day}.", "It is on its way."),
        title="Payment promised",
        summary="The person promised to pay invoice {reference} over {amount} by {day}.",
    ),
    failure=Ending(
        agent=("I will pass that on to accounting. Goodbye.", "I note that you object. Goodbye."),
        user=("I will not pay that, the work was never done.", "That invoice is wrong."),
        title="Invoice disputed",
        summary="The person disputes invoice {reference} over {amount}.",
    ),
    unknown=Ending(
        agent=("A colleague will call you back. Goodbye.", "We will look into it. Goodbye."),
        user=("My wife takes care of that, call her.", "I have to look it up first."),
        title="Payment unclear",
        summary="It stayed open when invoice {reference} over {amount} will be paid.",
    ),
)

_INVITATION = Scenario(
    key="invitation",
    beats=(
        (
            (
                "We would like to invite you to our open day on {day} at {time}.",
                "There is a free workshop about {product} on {day}; you are on our guest list.",
            ),
            ("That sounds interesting.", "What is it about?", "Is it online?"),
        ),
        (
            ("It takes about an hour, and there will be coffee.", "You can bring somebody along."),
            ("I would come with my partner.", "An hour is fine.", "Where exactly is it?"),
        ),
        (
            ("It is right by the main station.", "There is parking behind the building."),
            ("Good, I know the place.", "I will come by bike.", "That is easy for me."),
        ),
    ),
    success=Ending(
        agent=("Lovely, I have put you down for {day}. Goodbye!", "You are on the list. See you on {day}!"),
        user=("Yes, put me down, please.", "Count me in."),
        title="Invitation accepted",
        summary="The person accepted the invitation for {day} at {time}.",
    ),
    failure=Ending(
        agent=("I am sorry that you cannot make it. Goodbye.", "Maybe next time. Goodbye."),
        user=("No, thank you, not for me.", "I am away that week."),
        title="Invitation declined",
        summary="The person declined the invitation for {day}.",
    ),
    unknown=Ending(
        agent=("I will send you the details. Goodbye.", "You can still sign up on the website. Goodbye."),
        user=("Maybe. I will see.", "Ask me again next week."),
        title="Invitation open",
        summary="The person may come on {day}; details will be sent.",
    ),
)

SCENARIOS = (_APPOINTMENT, _SURVEY, _DELIVERY, _RENEWAL, _PAYMENT, _INVITATION)

VOICEMAIL_GREETINGS = (
    "Hello, you have reached my mailbox. Please leave a message after the tone.",
    "The person you are calling is not available. Please leave your message after the beep.",
    "Hi, I cannot take your call right now. Leave a message and I will call back.",
)

SLOTS: dict[str, tuple[str, ...]] = {
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "other_day": ("Saturday", "next Monday", "next Tuesday"),
    "time": ("nine", "half past nine", "ten thirty", "eleven", "two in the afternoon", "half past three", "four"),
    "person": ("Dr. Okafor", "Dr. Lindqvist", "Ms. Marchetti", "Mr. Tanaka", "Dr. Ferreira"),
    "score": ("four", "six", "seven", "eight", "nine", "ten"),
    "product": ("internet", "travel insurance", "maintenance", "electricity", "gym", "newspaper"),
    "amount": ("19 euros", "24 euros 90", "39 euros", "58 euros", "112 euros 40", "240 euros"),
}
